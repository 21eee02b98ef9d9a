"""Job, Deployment and DaemonSet (see ``podrun.api.fields`` for the notation)."""

TABLE = """
[Job]
apiVersion string: The version of the API the object is written for; batch/v1 for a Job.
kind string: The kind of object: Job.
metadata ObjectMeta: What identifies the object.
spec JobSpec: Which pods shall run, and until when.
status JobStatus set: How far it has come. podrun fills it in; in a manifest it is ignored.

[JobSpec]
parallelism integer: The most pods that run at a time; 1 unless given.
completions integer: How many pods must succeed. Without it and without parallelism: 1. Without it,
    but with parallelism, the pods share a queue of work: one success ends the starting of new ones,
    and the Job is complete when the others have ended.
activeDeadlineSeconds integer: A Job that has run for longer is stopped and Failed
    (DeadlineExceeded).
podFailurePolicy PodFailurePolicy no: What to do about particular failures of pods.
successPolicy SuccessPolicy no: When some of the pods are enough; only for Indexed.
backoffLimit integer: With more failed pods than this the Job is Failed (BackoffLimitExceeded); 6
    unless given. With restartPolicy OnFailure the restarts of containers count. Failed pods are
    replaced after 10 s, 20 s, 40 s, up to 360 s.
backoffLimitPerIndex integer no: The same for each index; only for Indexed.
maxFailedIndexes integer no: The most indexes that may fail; only for Indexed.
selector LabelSelector set: The labels of the Job's pods. podrun knows them by their owner.
manualSelector boolean no =false: true: the selector is the user's own.
template PodTemplateSpec: The pod to run; its restartPolicy must be OnFailure or Never.
ttlSecondsAfterFinished integer: The Job and its pods are deleted so long after its end; never,
    unless given.
completionMode string: NonIndexed (default): one pod is as good as another. Indexed is not
    supported yet.
suspend boolean: true: no pod runs. Those that do are deleted, and count as neither succeeded nor
    failed; set to false, the Job goes on.
podReplacementPolicy string no =TerminatingOrFailed: When a pod that is being deleted is replaced:
    here at once; with Failed, when it has ended.
managedBy string no =kubernetes.io/job-controller: Another controller that takes care of the Job.

[PodFailurePolicy]
rules []PodFailurePolicyRule: The rules, in their order.

[PodFailurePolicyRule]
action string: FailJob, FailIndex, Ignore or Count.
onExitCodes PodFailurePolicyOnExitCodesRequirement: The exit codes it is for.
onPodConditions []PodFailurePolicyOnPodConditionsPattern: The conditions it is for.

[PodFailurePolicyOnExitCodesRequirement]
containerName string: The container; all unless given.
operator string: In or NotIn.
values []integer: The exit codes.

[PodFailurePolicyOnPodConditionsPattern]
type string: The condition.
status string: Its status; True unless given.

[SuccessPolicy]
rules []SuccessPolicyRule: One of them is enough.

[SuccessPolicyRule]
succeededIndexes string: The indexes that must succeed.
succeededCount integer: How many must.

[JobStatus]
conditions []Condition: Suspended; SuccessCriteriaMet, then Complete; FailureTarget, then Failed.
startTime Time: When it began, or was resumed.
completionTime Time: When it was complete.
active integer: The pods that run or will, without those that are being deleted.
ready integer: Those of them that are ready.
succeeded integer: The pods that have succeeded.
failed integer: The pods that have failed, or were deleted before they could succeed.
uncountedTerminatedPods UncountedTerminatedPods: Of pods that still exist, the uids of those that
    are counted, so that none is counted twice. Empty at the end.

[UncountedTerminatedPods]
succeeded []string: Pods that are in succeeded.
failed []string: Pods that are in failed.
ignored []string: Pods that podrun deletes because the Job is suspended or has too many.

[PodTemplateSpec]
metadata ObjectMeta: The labels and annotations of the pods. Their names podrun makes up.
spec PodSpec: What shall run in each of them.

[Condition]
type string: The condition.
status string: True, False or Unknown.
reason string: Why, in one word.
message string: Why, for people.
lastProbeTime Time: When it was last looked at.
lastUpdateTime Time: When it was last written.
lastTransitionTime Time: When its status last changed.

[Deployment]
apiVersion string: The version of the API the object is written for; apps/v1 for a Deployment.
kind string: The kind of object: Deployment.
metadata ObjectMeta: What identifies the object.
spec DeploymentSpec: How many pods of which kind shall run. podrun makes it so.
status DeploymentStatus set: How many do. podrun fills it in; in a manifest it is ignored.

[DeploymentSpec]
replicas integer: How many pods shall run; 1 unless given.
selector LabelSelector: Which labels its pods have: the template's labels must match it. It cannot
    be changed. podrun knows the pods by their owner.
template PodTemplateSpec: The pod to run; its restartPolicy must be Always. When it changes, the
    pods are replaced.
strategy DeploymentStrategy: How they are replaced.
minReadySeconds integer: A pod counts as available once it has been ready for so long; 0 unless
    given.
revisionHistoryLimit integer note =10: How many former templates to keep. podrun keeps none: to go
    back, apply the former manifest.
paused boolean: true: a change of the template waits. replicas is still kept to.
progressDeadlineSeconds integer: A replacement that has made no progress for so long is reported as
    stuck (ProgressDeadlineExceeded); it is not given up. 600 unless given.

[DeploymentStrategy]
type string: RollingUpdate (default): new pods come and old ones go, a few at a time. Recreate: the
    old ones go first, all of them.
rollingUpdate RollingUpdateDeployment: How many at a time; only for RollingUpdate.

[RollingUpdateDeployment]
maxUnavailable IntOrString: How many of the replicas may be not available meanwhile: a number, or a
    percentage, rounded down; 25% unless given.
maxSurge IntOrString: How many pods there may be beyond the replicas: a number, or a percentage,
    rounded up; 25% unless given.

[DeploymentStatus]
observedGeneration integer: The generation of the spec that this is the status of.
replicas integer: The pods that run or will, without those that are being deleted.
updatedReplicas integer: Those of them that are of the present template.
readyReplicas integer: Those that are ready.
availableReplicas integer: Those that have been ready for minReadySeconds.
unavailableReplicas integer: Those that are missing until all are available.
conditions []Condition: Available and Progressing.

[DaemonSet]
apiVersion string: The version of the API the object is written for; apps/v1 for a DaemonSet.
kind string: The kind of object: DaemonSet.
metadata ObjectMeta: What identifies the object.
spec DaemonSetSpec: Which pod shall run on each node: here one pod, on this one.
status DaemonSetStatus set: Whether it does. podrun fills it in; in a manifest it is ignored.

[DaemonSetSpec]
selector LabelSelector: Which labels its pod has: the template's labels must match it. It cannot be
    changed. podrun knows the pod by its owner.
template PodTemplateSpec: The pod to run; its restartPolicy must be Always. When it changes, the pod
    is replaced.
updateStrategy DaemonSetUpdateStrategy: How it is replaced.
minReadySeconds integer: A pod counts as available once it has been ready for so long; 0 unless
    given.
revisionHistoryLimit integer note =10: How many former templates to keep. podrun keeps none: to go
    back, apply the former manifest.

[DaemonSetUpdateStrategy]
type string: RollingUpdate (default): at once. OnDelete: when somebody deletes the old pod.
rollingUpdate RollingUpdateDaemonSet: Which is first; only for RollingUpdate.

[RollingUpdateDaemonSet]
maxUnavailable IntOrString: 1 (default): the old pod goes first. 0, with maxSurge 1: the new one
    comes first.
maxSurge IntOrString: 1: the new pod comes first, and the old one goes once it is available; 0
    unless given.

[DaemonSetStatus]
observedGeneration integer: The generation of the spec that this is the status of.
desiredNumberScheduled integer: How many pods there shall be: 1.
currentNumberScheduled integer: 1 when there is one.
updatedNumberScheduled integer: 1 when there is one of the present template.
numberReady integer: 1 when it is ready.
numberAvailable integer: 1 when it has been ready for minReadySeconds.
numberUnavailable integer: 1 when it has not.
numberMisscheduled integer: Pods on nodes where they should not be: 0.
"""
