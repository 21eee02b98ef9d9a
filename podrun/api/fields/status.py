"""The status: what podrun prints. All of it is ignored in a manifest."""

TABLE = """
[PodStatus]
phase string: Pending, Running, Succeeded, Failed or Unknown.
conditions []PodCondition: How far the pod has come: PodScheduled, PodReadyToStartContainers,
    Initialized, ContainersReady, Ready.
message string: Why the pod is in this state, for people.
reason string: The same in one word, such as Evicted.
hostIP string: The host's address.
hostIPs []HostIP: The host's addresses, IPv4 and IPv6.
podIP string: The pod's address.
podIPs []PodIP: The pod's addresses, IPv4 and IPv6.
startTime Time: When podrun accepted the pod.
qosClass string: Guaranteed, Burstable or BestEffort, from requests and limits.
initContainerStatuses []ContainerStatus: One for each init container.
containerStatuses []ContainerStatus: One for each container.

[PodCondition]
type string: The condition.
status string: True, False or Unknown.
lastTransitionTime Time: When it last changed.
reason string: Why, in one word.
message string: Why, for people.

[HostIP]
ip string: An address.

[PodIP]
ip string: An address.

[ContainerStatus]
name string: The container.
state ContainerState: Its state now.
lastState ContainerState: How the run before ended.
ready boolean: Whether it is ready.
started boolean: Whether it has started up.
restartCount integer: How often it was started again.
image string: The image it runs.
imageID string: The image's digest.
containerID string: The run's identifier, podrun://….
allocatedResources map[string]Quantity: The requests it was granted.
resources ResourceRequirements: What it has, until a change of the spec has reached it.

[ContainerState]
waiting ContainerStateWaiting: It does not run yet, or not again yet.
running ContainerStateRunning: It runs.
terminated ContainerStateTerminated: It has ended.

[ContainerStateWaiting]
reason string: Why, in one word, such as CrashLoopBackOff.
message string: Why, for people.

[ContainerStateRunning]
startedAt Time: Since when.

[ContainerStateTerminated]
exitCode integer: The exit code; 128+n after signal n.
signal integer: The signal that ended it.
reason string: Completed, Error, OOMKilled, and so on.
message string: The termination message.
startedAt Time: When it began.
finishedAt Time: When it ended.
containerID string: The run's identifier.
"""
