"""What only a scheduler reads: checked and kept, without effect on one node."""

TABLE = """
[Affinity]
nodeAffinity NodeAffinity: Which nodes the pod wants.
podAffinity PodAffinity: Which pods it wants to be near.
podAntiAffinity PodAffinity: Which pods it wants to be away from.

[NodeAffinity]
requiredDuringSchedulingIgnoredDuringExecution NodeSelector: What the node must have.
preferredDuringSchedulingIgnoredDuringExecution []PreferredSchedulingTerm: What it should have.

[NodeSelector]
nodeSelectorTerms []NodeSelectorTerm: One of these must hold.

[NodeSelectorTerm]
matchExpressions []SelectorRequirement: On labels; all must hold.
matchFields []SelectorRequirement: On fields; all must hold.

[PreferredSchedulingTerm]
weight integer: How much it counts, 1 to 100.
preference NodeSelectorTerm: What the node should have.

[SelectorRequirement]
key string: The label or field.
operator string: In, NotIn, Exists, DoesNotExist, Gt or Lt.
values []string: The values to compare with.

[PodAffinity]
requiredDuringSchedulingIgnoredDuringExecution []PodAffinityTerm: All must hold.
preferredDuringSchedulingIgnoredDuringExecution []WeightedPodAffinityTerm: What should hold.

[WeightedPodAffinityTerm]
weight integer: How much it counts, 1 to 100.
podAffinityTerm PodAffinityTerm: What should hold.

[PodAffinityTerm]
labelSelector LabelSelector: The pods meant.
namespaces []string: Where they are.
namespaceSelector LabelSelector: Where they are, by labels.
topologyKey string: What counts as near: nodes with the same value of this label.
matchLabelKeys []string: Labels of the pod itself to add to the selector.
mismatchLabelKeys []string: Labels of the pod itself to exclude.

[LabelSelector]
matchLabels map[string]string: Labels that must be equal.
matchExpressions []SelectorRequirement: Conditions on labels.

[Toleration]
key string: The taint; all taints unless given.
operator string: Equal (default), Exists, Lt or Gt.
value string: The taint's value.
effect string: NoSchedule, PreferNoSchedule or NoExecute.
tolerationSeconds integer: How long a NoExecute taint is borne.

[TopologySpreadConstraint]
maxSkew integer: How uneven it may be.
topologyKey string: The label whose values are the places.
whenUnsatisfiable string: DoNotSchedule or ScheduleAnyway.
labelSelector LabelSelector: The pods counted.
minDomains integer: The least number of places.
nodeAffinityPolicy string: Whether nodes the affinity excludes count.
nodeTaintsPolicy string: Whether tainted nodes count.
matchLabelKeys []string: Labels of the pod itself to add to the selector.
"""
