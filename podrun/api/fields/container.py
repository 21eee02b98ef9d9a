"""Containers: image, process, environment, probes, resources, rights."""

TABLE = """
[Container]
name string: The container's name, unique in the pod: lower-case letters, digits and "-".
image string: The image to run; localhost/host is the host's own root file system.
imagePullPolicy string: Always, IfNotPresent or Never. Always is the default for the tag latest or
    none.
command []string: Replaces the image's Entrypoint.
args []string: Replaces the image's Cmd.
workingDir string: The directory to start in; the image's unless given.
env []EnvVar: Environment variables; a later one wins.
envFrom []EnvFromSource no: Environment variables from a whole ConfigMap or Secret.
ports []ContainerPort: The ports the container listens on, and which of them the host offers.
volumeMounts []VolumeMount: Where the pod's volumes appear in the container.
volumeDevices []VolumeDevice no: Block devices of volumes that appear in the container.
resources ResourceRequirements: What the container needs, and what it may use at the most.
resizePolicy []ContainerResizePolicy no: Whether a change of resources needs a restart.
restartPolicy string: Always on an init container makes it a sidecar: started in turn, and running
    as long as the pod does.
restartPolicyRules []ContainerRestartRule: Restart policies for particular exit codes.
lifecycle Lifecycle: Hooks after the start and before the stop.
livenessProbe Probe: A check that restarts the container when it fails.
readinessProbe Probe: A check that decides whether the container is ready.
startupProbe Probe: A check that holds back the others until it has passed once.
securityContext SecurityContext: User, groups and rights of the container.
stdin boolean =false: Keeps the standard input open for an attached client.
stdinOnce boolean =false: Closes the standard input after the first client.
tty boolean =false: Gives the container a terminal.
terminationMessagePath string =/dev/termination-log: The file whose content becomes the exit message;
    /dev/termination-log unless given. podrun mounts it into the container.
terminationMessagePolicy string =File: File (default): the exit message is the file's content.
    FallbackToLogsOnError: where that is empty and the container failed, the end of its log.

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
name string: The variable.
value string: Its value.
valueFrom EnvVarSource no: Takes the value from elsewhere.

[EnvVarSource]
configMapKeyRef KeySelector: A key of a ConfigMap.
secretKeyRef KeySelector: A key of a Secret.
fieldRef ObjectFieldSelector: A field of the pod itself.
resourceFieldRef ResourceFieldSelector: A request or limit of a container.
fileKeyRef FileKeySelector: A key of a file in a volume.

[KeySelector]
name string: The ConfigMap or Secret.
key string: The key in it.
optional boolean: true: a missing key is no error.

[ObjectFieldSelector]
fieldPath string: The path of the field, such as metadata.name or status.podIP.
apiVersion string: The version the path is written for; v1.

[ResourceFieldSelector]
containerName string: The container; this one unless given.
resource string: limits.cpu, requests.memory, and so on.
divisor Quantity: The unit to count in.

[FileKeySelector]
volumeName string: The emptyDir volume.
path string: The file in it.
key string: The variable in the file.
optional boolean: true: a missing file or key is no error.

[EnvFromSource]
prefix string: Put before each name.
configMapRef OptionalReference: The ConfigMap.
secretRef OptionalReference: The Secret.

[OptionalReference]
name string: The object's name.
optional boolean: true: a missing object is no error.

[VolumeMount]
name string: The volume, as named in spec.volumes.
mountPath string: Where it appears in the container; must not contain ":".
readOnly boolean: The container cannot write to it.
recursiveReadOnly string no =Disabled: Whether mounts below it are read-only too.
subPath string no: Mounts one file or directory of the volume.
subPathExpr string no: As subPath, with $(VARIABLES) of the container.
mountPropagation string no =None: Whether later mounts are seen on the other side.

[VolumeDevice]
name string: The persistentVolumeClaim volume.
devicePath string: The device file in the container.

[ResourceRequirements]
limits map[string]Quantity: The most it may use: cpu and memory.
requests map[string]Quantity: What it is sure to get: cpu and memory. The limits unless given.
claims []ResourceClaim no: The resourceClaims of the pod it uses.

[ResourceClaim]
name string: The pod's claim.
request string: One request of that claim.

[ContainerResizePolicy]
resourceName string: cpu or memory.
restartPolicy string: NotRequired or RestartContainer.

[ContainerRestartRule]
action string: Restart or RestartAllContainers.
exitCodes ContainerRestartRuleOnExitCodes: The exit codes it is for.

[ContainerRestartRuleOnExitCodes]
operator string: In or NotIn.
values []integer: The exit codes.

[Lifecycle]
postStart LifecycleHandler: Run right after the start; the container is not running before it ends.
preStop LifecycleHandler: Run before the stop signal.
stopSignal string: The signal to stop with.

[LifecycleHandler]
exec ExecAction: A command in the container.
httpGet HTTPGetAction: An HTTP request.
sleep SleepAction: A pause.
tcpSocket TCPSocketAction: No longer does anything.

[Probe]
exec ExecAction: A command in the container; exit code 0 is success.
httpGet HTTPGetAction: An HTTP request; 200 to 399 is success.
tcpSocket TCPSocketAction: A connection; being accepted is success.
grpc GRPCAction: A call of the gRPC health service.
initialDelaySeconds integer: The time before the first check.
timeoutSeconds integer: The time a check may take.
periodSeconds integer: The time between two checks.
successThreshold integer: Successes in a row that count.
failureThreshold integer: Failures in a row that count.
terminationGracePeriodSeconds integer: The grace when this check ends the container.

[ExecAction]
command []string: The command and its arguments; no shell.

[HTTPGetAction]
path string: The path to ask for.
port IntOrString: The port's number or name.
host string: The host; the pod's address unless given.
scheme string: HTTP or HTTPS.
httpHeaders []HTTPHeader: Further headers.

[HTTPHeader]
name string: The header.
value string: Its value.

[TCPSocketAction]
port IntOrString: The port's number or name.
host string: The host; the pod's address unless given.

[GRPCAction]
port integer: The port's number.
service string: The service to ask for.

[SleepAction]
seconds integer: How long.

[SecurityContext]
runAsUser integer: The user id; the pod's, else the image's user unless given.
runAsGroup integer: The group id.
runAsNonRoot boolean: A container that would run as user 0 is not started.
privileged boolean: All capabilities, all the host's devices, nothing masked.
readOnlyRootFilesystem boolean: The container cannot write to its image's files.
allowPrivilegeEscalation boolean: false: set-user-ID programs gain nothing (no_new_privs).
capabilities Capabilities: Capabilities added to and dropped from the default set.
procMount string no =Default: Whether parts of /proc are masked.
seccompProfile SeccompProfile no: The filter of system calls.
appArmorProfile AppArmorProfile no: The AppArmor profile.
seLinuxOptions SELinuxOptions no: The SELinux label.
windowsOptions WindowsSecurityContextOptions no: Settings for Windows.

[Capabilities]
add []string: Capabilities to add, without the prefix CAP_, or ALL.
drop []string: Capabilities to drop, or ALL.
"""
