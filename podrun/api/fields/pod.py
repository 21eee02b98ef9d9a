"""The Pod, its metadata and its spec (see ``podrun.api.fields`` for the notation)."""

TABLE = """
[Pod]
apiVersion string: The version of the API the object is written for; always v1 for a Pod.
kind string: The kind of object: Pod.
metadata ObjectMeta: What identifies the object.
spec PodSpec: What shall run. podrun makes it so.
status PodStatus set: What runs. podrun fills it in; in a manifest it is ignored.

[ObjectMeta]
name string: The pod's name, unique in its namespace: lower-case letters, digits, "-" and ".".
namespace string: A scope for names, "default" unless given. Needs no creating.
labels map[string]string: Short names and values to select pods by (podrun ps -l).
annotations map[string]string: Any further text about the object; podrun keeps it.
uid string set: Identifies this pod among all that ever had its name. podrun chooses it.
generation integer set: Counts the changes of the spec.
creationTimestamp Time set: When podrun accepted the pod.
deletionTimestamp Time set: When the pod shall be gone, once it was asked to go.
deletionGracePeriodSeconds integer set: The time the pod was given to end.
resourceVersion string set: A version number of the API server's; podrun has none.
selfLink string set: A leftover of older API servers.
managedFields []ManagedFieldsEntry set: Who last changed which field, kept by the API server.
ownerReferences []OwnerReference set: The object that made this one.
generateName string set: A prefix for a name the API server makes up. podrun needs metadata.name.
finalizers []string set: Holds back deletion until a controller removes the entry. Ignored.

[OwnerReference]
apiVersion string: The version of its API.
kind string: Job, Deployment or DaemonSet.
name string: Its name.
uid string: Its uid.
controller boolean: true: it decides about the object.
blockOwnerDeletion boolean: Kept as it is.

[PodSpec]
initContainers []Container: Containers that run before the others, one after the other; each must
    end with exit code 0 before the next starts. With restartPolicy Always it is a sidecar.
containers []Container: The pod's containers. They share one network and one set of volumes.
ephemeralContainers []EphemeralContainer no: Containers added to a running pod for debugging.
volumes []Volume: The directories and files that the containers can mount.
restartPolicy string: Always (default), OnFailure or Never: whether an ended container is started
    again. Restarts back off: at once, 10 s, 20 s, up to 300 s.
terminationGracePeriodSeconds integer: The time between the stop signal and SIGKILL; 30 by default.
activeDeadlineSeconds integer: A pod older than this is stopped and Failed (DeadlineExceeded).
dnsPolicy string: What is in /etc/resolv.conf: the host's servers (ClusterFirst, without a cluster
    DNS, and Default) or only dnsConfig (None).
dnsConfig PodDNSConfig: Name servers, search domains and options added to /etc/resolv.conf.
hostNetwork boolean: The pod uses the host's network, hostname and ports as they are.
hostPID boolean: The containers see and may signal the host's processes.
hostIPC boolean: The containers share the host's System V IPC, POSIX queues and /dev/shm.
hostUsers boolean: false gives the pod 65,536 user ids of its own: its root is nobody on the host.
    Volumes must lie on file systems that can be idmapped. See docs/security.md.
shareProcessNamespace boolean: All containers of the pod see each other's processes.
hostname string: The pod's hostname; metadata.name unless given.
hostnameOverride string: The pod's hostname as it is, up to 64 characters and with dots if need be,
    whatever hostname and subdomain say. Not with hostNetwork or setHostnameAsFQDN.
subdomain string: Gives the pod the name hostname.subdomain.namespace.svc.cluster-domain in its own
    /etc/hosts. There is no DNS that others could ask for it.
setHostnameAsFQDN boolean =false: With a subdomain, the kernel's hostname is the fully qualified
    name (64 characters at the most), and not only its first part.
hostAliases []HostAlias: Lines added to the pod's /etc/hosts.
securityContext PodSecurityContext: User and groups of all containers, unless one has its own.
enableServiceLinks boolean: Environment variables of the namespace's Services. There are none here,
    so either value is right.
imagePullSecrets []LocalObjectReference: Secrets with logins for registries, tried before those of
    the machine. One that does not exist is a warning, and the pull is tried without it.
automountServiceAccountToken boolean note: Whether to mount a token for the API server. There is no
    API server here, so there is none.
serviceAccountName string note =default: The pod's identity at the API server. Kept, without effect.
serviceAccount string note =default: The old name of serviceAccountName.
os PodOS: The operating system the pod is made for. podrun runs linux. Needed for stopSignal.
runtimeClassName string no: Chooses another container runtime.
overhead map[string]Quantity no: What the runtime itself needs, added to the pod's requests.
readinessGates []PodReadinessGate: Further conditions that must be true before the pod is Ready.
resources ResourceRequirements: Requests and limits for the pod as a whole: cpu, memory, huge
    pages.
resourceClaims []PodResourceClaim no: Devices allotted by a resource driver.
nodeName string note: The node to run on. There is one node, whatever its name.
nodeSelector map[string]string note: Labels the node must have. Kept, without effect on one node.
affinity Affinity note: Which nodes and which neighbours the pod wants. Kept, without effect.
tolerations []Toleration note: Taints of nodes that do not keep the pod away. Kept, without effect.
topologySpreadConstraints []TopologySpreadConstraint note: How to spread pods over zones and nodes.
    Kept, without effect.
schedulerName string note =default-scheduler: Which scheduler places the pod. Kept, without effect.
schedulingGates []PodSchedulingGate no: The pod waits until these are removed.
schedulingGroup PodSchedulingGroup no: The group of pods that is placed together.
workloadRef WorkloadReference no: The workload whose pods are placed together (only in 1.35).
priority integer note =0: The rank for scheduling and eviction. Kept, without effect.
priorityClassName string note: The name of a priority. Kept, without effect.
preemptionPolicy string note =PreemptLowerPriority: Whether the pod may push others away. Kept,
    without effect.

[PodSecurityContext]
runAsUser integer: The user id of every container; the image's user unless given.
runAsGroup integer: The group id of every container.
runAsNonRoot boolean: A container that would run as user 0 is not started.
supplementalGroups []integer: Further group ids of every container's processes.
supplementalGroupsPolicy string: Merge (default) adds the groups of the image's /etc/group, Strict
    does not.
fsGroup integer: A group that owns the pod's emptyDir volumes and that all processes belong to.
fsGroupChangePolicy string: Whether the ownership of what is in a volume is changed Always (default)
    or only when that of its root differs (OnRootMismatch).
seccompProfile SeccompProfile: The filter of system calls for all containers; RuntimeDefault unless
    given (seccompDefault in the configuration).
appArmorProfile AppArmorProfile: The AppArmor profile of all containers.
seLinuxOptions SELinuxOptions: The SELinux label of all containers' processes. Only where the host
    has SELinux.
seLinuxChangePolicy string no: How volumes get their SELinux label.
sysctls []Sysctl: Kernel parameters of the pod's namespaces. All but the safe ones must be allowed
    by allowedUnsafeSysctls in the configuration, or the pod is Failed.
windowsOptions WindowsSecurityContextOptions no: Settings for Windows.

[HostAlias]
ip string: The address.
hostnames []string: The names for it.

[PodDNSConfig]
nameservers []string: Addresses of name servers; three at the most.
searches []string: Domains to search; 32 at the most.
options []PodDNSConfigOption: Options of the resolver.

[PodDNSConfigOption]
name string: The option, such as ndots.
value string: Its value, if it takes one.

[PodOS]
name string: linux. A pod for windows is refused.

[SeccompProfile]
type string: RuntimeDefault, Localhost or Unconfined.
localhostProfile string: For Localhost: a file in the OCI format below seccompProfileRoot of the
    configuration.

[AppArmorProfile]
type string: RuntimeDefault, Localhost or Unconfined. Where the host has no AppArmor only Localhost
    is an error.
localhostProfile string: For Localhost: the name of a profile that is loaded.

[SELinuxOptions]
user string: The label's user.
role string: The label's role.
type string: The label's type.
level string: The label's level.

[WindowsSecurityContextOptions]
gmsaCredentialSpecName string: The name of a group managed service account.
gmsaCredentialSpec string: Its credential specification.
runAsUserName string: The Windows user.
hostProcess boolean: Runs on the host itself.

[Sysctl]
name string: The parameter, such as net.core.somaxconn.
value string: Its value.

[LocalObjectReference]
name string: The name of an object in the pod's namespace.

[PodReadinessGate]
conditionType string: The condition of the pod's status that must be True.

[PodResourceClaim]
name string: The claim's name inside the pod.
resourceClaimName string: The ResourceClaim to use.
resourceClaimTemplateName string: The template to make a ResourceClaim from.

[PodSchedulingGate]
name string: The gate's name.

[PodSchedulingGroup]
podGroupName string: The PodGroup.

[WorkloadReference]
name string: The Workload.
podGroup string: The group within it.
podGroupReplicaKey string: The replica of that group.
"""
