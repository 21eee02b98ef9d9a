"""Containers: image, process, environment, probes, resources, rights."""

TABLE = """
[Container]
name string: The container's name, unique in the pod: lower-case letters, digits and "-".
image string: The image to run; localhost/host is the host's own root file system.
imagePullPolicy string: Always, IfNotPresent or Never. Always is the default for the tag latest or
    none.
command []string: Replaces the image's Entrypoint. $(NAME) is the value of a variable of env or
    envFrom, and stays as it is where there is none; $$ is a dollar sign.
args []string: Replaces the image's Cmd; $(NAME) as in command.
workingDir string: The directory to start in; the image's unless given.
env []EnvVar: Environment variables, over those of the image and of envFrom; a later one wins.
envFrom []EnvFromSource: Environment variables from all keys of a ConfigMap or Secret; a later one
    wins.
ports []ContainerPort: The ports the container listens on, and which of them the host offers.
volumeMounts []VolumeMount: Where the pod's volumes appear in the container.
volumeDevices []VolumeDevice: Volumes that are devices of the host, as devices of the container: it
    may use them, which a volumeMount of a device does not allow.
resources ResourceRequirements: What the container needs, and what it may use at the most. A change
    is written to the running container, unless resizePolicy says otherwise, as long as the pod's
    QoS class stays the same.
resizePolicy []ContainerResizePolicy: Whether a change of resources needs a restart, for each of
    them. Not for plain init containers.
restartPolicy string: Always, OnFailure or Never for this container alone; the pod's unless given.
    Always on an init container makes it a sidecar: started in turn, and running as long as the pod
    does.
restartPolicyRules []ContainerRestartRule: What to do after particular exit codes; where no rule
    fits, restartPolicy decides, which must be given too. 20 rules at the most.
lifecycle Lifecycle: Hooks after the start and before the stop, and the stop signal. Not for plain
    init containers.
livenessProbe Probe: A check whose failure ends the container; the restart policy goes on from
    there. It begins when the container has started up. Not for plain init containers.
readinessProbe Probe: A check that decides whether the container, and with it the pod, is ready; it
    goes on while the pod ends. Not ready before its first success. Not for plain init containers.
startupProbe Probe: A check until the first success; before it, the other probes wait, and after a
    sidecar's the next container starts. Its failure ends the container. Not for plain init
    containers.
securityContext SecurityContext: User, groups and rights of the container.
stdin boolean =false: Keeps the standard input open, for podrun attach -i. Otherwise it is empty.
stdinOnce boolean =false: Closes the standard input when the first client that attached leaves.
tty boolean =false: Gives the container a terminal, and one stream for output and errors.
terminationMessagePath string =/dev/termination-log: The file whose content becomes the exit
    message; /dev/termination-log unless given. podrun makes it, empty, for each run.
terminationMessagePolicy string =File: File (default): the exit message is the file's content, 4096
    bytes at the most. FallbackToLogsOnError: when that is empty and the exit code is not 0, the
    last 80 lines (2048 bytes) of the log.

[EphemeralContainer]
name string: The container's name.
targetContainerName string: The container whose processes it sees.
image string: The image to run.

[ContainerPort]
containerPort integer: The port the container listens on.
hostPort integer: The same port offered by the host: podrun forwards it to the pod.
hostIP string: The host's address to offer it on; all addresses unless given.
name string: A name for the port, unique in the container.
protocol string: TCP (default) or UDP. SCTP is not supported yet.

[EnvVar]
name string: The variable: printable ASCII characters other than "=".
value string: Its value; $(NAME) is that of a variable declared before it, or of envFrom.
valueFrom EnvVarSource: Takes the value from elsewhere when the container starts. While something
    required is missing, the container waits (CreateContainerConfigError), and starts when it comes.

[EnvVarSource]
configMapKeyRef KeySelector: A key of a ConfigMap.
secretKeyRef KeySelector: A key of a Secret; its value must be text.
fieldRef ObjectFieldSelector: A field of the pod itself.
resourceFieldRef ResourceFieldSelector: A request or limit of a container. A limit that it does not
    have is the pod's, else what the machine has; a request is 0.
fileKeyRef FileKeySelector: A variable of a file in an emptyDir volume, which an init container has
    written: lines NAME='value', 64 KiB at the most.

[KeySelector]
name string: The ConfigMap or Secret.
key string: The key in it.
optional boolean: true: a missing object or key is no error, and the variable is left out.

[ObjectFieldSelector]
fieldPath string: metadata.name, metadata.namespace, metadata.uid, metadata.labels['KEY'] or
    metadata.annotations['KEY']; for variables also spec.nodeName, spec.serviceAccountName,
    status.hostIP, status.hostIPs, status.podIP and status.podIPs; for files also metadata.labels
    and metadata.annotations, as a whole.
apiVersion string: The version the path is written for; v1.

[ResourceFieldSelector]
containerName string: The container; for a variable it is this one unless given.
resource string: limits or requests of cpu, memory, ephemeral-storage or hugepages-SIZE, such as
    limits.cpu.
divisor Quantity: The unit to count in, rounded up: 1 (default) or 1m for cpu, else 1 (default), 1k,
    1Ki, 1M, 1Mi, and so on.

[FileKeySelector]
volumeName string: The emptyDir volume.
path string: The file in it.
key string: The variable in the file.
optional boolean: true: a missing file or key is no error, and the variable is left out.

[EnvFromSource]
prefix string: Put before each key, to make the variable's name.
configMapRef OptionalReference: The ConfigMap.
secretRef OptionalReference: The Secret.

[OptionalReference]
name string: The object's name.
optional boolean: true: a missing object is no error.

[VolumeMount]
name string: The volume, as named in spec.volumes.
mountPath string: Where it appears in the container; must not contain ":".
readOnly boolean: The container cannot write to it.
recursiveReadOnly string =Disabled: Whether mounts below it are read-only too: Disabled, Enabled or
    IfPossible, which always is. With readOnly alone, and without mountPropagation.
subPath string: Mounts one file or directory of the volume, a relative path. A missing one is made,
    as a directory; in an image it is an error.
subPathExpr string: As subPath, with $(NAME) for variables of env and envFrom; one that is missing
    or empty is an error.
mountPropagation string =None: Whether later mounts are seen on the other side. HostToContainer:
    what is mounted on the host appears in the container. Bidirectional: also the other way round,
    for privileged containers; what one mounts stays on the host unless it is unmounted (podrun
    does so in the pod's own volumes). The host's mount must be shared.

[VolumeDevice]
name string: The volume: a hostPath of type BlockDevice or CharDevice.
devicePath string: The device file in the container.

[ResourceRequirements]
limits map[string]Quantity: The most it may use: cpu, memory, hugepages-2Mi (or another size), and
    ephemeral-storage (its writable layer and its logs; beyond it the pod is evicted).
requests map[string]Quantity: What it is sure to get: cpu and memory, and exactly the limit of huge
    pages. The limits unless given.
claims []ResourceClaim no: The resourceClaims of the pod it uses.

[ResourceClaim]
name string: The pod's claim.
request string: One request of that claim.

[ContainerResizePolicy]
resourceName string: cpu or memory.
restartPolicy string: NotRequired (default): a change is written to the running container.
    RestartContainer: the container is ended and started with it.

[ContainerRestartRule]
action string: Restart starts this container again. RestartAllContainers ends all containers of the
    pod and starts anew with the first init container, in the same sandbox.
exitCodes ContainerRestartRuleOnExitCodes: The exit codes the rule is for; required.

[ContainerRestartRuleOnExitCodes]
operator string: In: one of the values. NotIn: none of them.
values []integer: The exit codes, 255 of them at the most; 128+n after signal n.

[Lifecycle]
postStart LifecycleHandler: Run at once after the start. Until it is done the container counts as
    not running and the next one is not started; when it fails, the container is ended.
preStop LifecycleHandler: Run before podrun stops the container, within its grace; when it fails, an
    event says so. Not run when the container ends by itself or the grace is 0.
stopSignal string: The signal to stop with, such as SIGUSR1 or SIGRTMIN+3; the image's, else
    SIGTERM, unless given. Needs spec.os.name.

[LifecycleHandler]
exec ExecAction: A command in the container; exit code 0 is success.
httpGet HTTPGetAction: An HTTP request from the host; a status from 200 to 399 is success.
sleep SleepAction: A pause.
tcpSocket TCPSocketAction: Accepted, but the hook fails when it is due: Kubernetes keeps the field
    without an implementation, and so does podrun.

[Probe]
exec ExecAction: A command in the container; exit code 0 is success.
httpGet HTTPGetAction: An HTTP request from the host; a status from 200 to 399 is success.
tcpSocket TCPSocketAction: A connection from the host; that it is accepted is success.
grpc GRPCAction: A call of the gRPC health service from the host; SERVING is success.
initialDelaySeconds integer: The time from the start to the first check; 0 by default.
timeoutSeconds integer: The time a check may take, else it failed; 1 by default.
periodSeconds integer: The time from one check to the next; 10 by default.
successThreshold integer: Successes in a row that count; 1 by default, and always for liveness and
    startup.
failureThreshold integer: Failures in a row that count; 3 by default.
terminationGracePeriodSeconds integer: The grace when this check ends the container; the pod's
    unless given. Not for readiness.

[ExecAction]
command []string: The command and its arguments; no shell. The working directory is the container's.

[HTTPGetAction]
path string: The path to ask for, with its query; / by default.
port IntOrString: The number, or the name of one of the container's ports.
host string: The host to connect to; the pod's address unless given. For another name in the request
    set the header Host.
scheme string: HTTP (default) or HTTPS; the certificate is not verified.
httpHeaders []HTTPHeader: Headers of the request; a name may occur more than once.

[HTTPHeader]
name string: The header: letters, digits and "-".
value string: Its value.

[TCPSocketAction]
port IntOrString: The number, or the name of one of the container's ports.
host string: The host to connect to; the pod's address unless given.

[GRPCAction]
port integer: The port's number, at the pod's address.
service string: The service to ask for; empty by default, for the server as a whole.

[SleepAction]
seconds integer: How long; from 0 to the pod's terminationGracePeriodSeconds.

[SecurityContext]
runAsUser integer: The user id; the pod's, else the image's user unless given.
runAsGroup integer: The group id.
runAsNonRoot boolean: A container that would run as user 0 is not started.
privileged boolean: All capabilities, all the host's devices, nothing masked.
readOnlyRootFilesystem boolean: The container cannot write to its image's files.
allowPrivilegeEscalation boolean: false: set-user-ID programs gain nothing (no_new_privs).
capabilities Capabilities: Capabilities added to and dropped from the default set; the ambient set
    is always empty.
procMount string: Default masks parts of /proc and makes others read-only, Unmasked does not; it
    needs hostUsers: false.
seccompProfile SeccompProfile: The filter of system calls; the pod's, else RuntimeDefault unless
    given. Privileged containers have none unless given here.
appArmorProfile AppArmorProfile: The AppArmor profile; the pod's unless given.
seLinuxOptions SELinuxOptions: The SELinux label of the processes; the pod's unless given. Only
    where the host has SELinux.
windowsOptions WindowsSecurityContextOptions no: Settings for Windows.

[Capabilities]
add []string: Capabilities to add, with or without the prefix CAP_, or ALL. What podrun itself has
    not got is left out, which is an event.
drop []string: Capabilities to drop, or ALL.
"""
