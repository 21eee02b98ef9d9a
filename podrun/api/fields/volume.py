"""Volumes and their sources."""

TABLE = """
[Volume]
name string: The volume's name, unique in the pod.
emptyDir EmptyDirVolumeSource: An empty directory of the pod's own, gone with the pod. Also what a
    volume without any source is.
hostPath HostPathVolumeSource: A file, directory, socket or device of the host.
configMap ConfigMapVolumeSource: The keys of a ConfigMap as files.
secret SecretVolumeSource: The keys of a Secret as files.
projected ProjectedVolumeSource: Several sources in one directory.
downwardAPI DownwardAPIVolumeSource: Fields of the pod as files.
persistentVolumeClaim PersistentVolumeClaimVolumeSource: Storage that outlives the pod: a directory
    of the machine.
image ImageVolumeSource: The files of an image, read-only and never executed.
ephemeral EphemeralVolumeSource no: A claim made for this pod.
nfs NFSVolumeSource no: A directory of an NFS server.
iscsi ISCSIVolumeSource no: A disk of an iSCSI target.
csi CSIVolumeSource no: Storage of a CSI driver.
fc any no: A disk on Fibre Channel.
cephfs any no: A directory of a Ceph cluster.
rbd any no: A disk of a Ceph cluster.
glusterfs any no: A directory of a Gluster cluster.
flexVolume any no: Storage of a FlexVolume driver.
flocker any no: A Flocker dataset.
gitRepo any no: A clone of a git repository.
awsElasticBlockStore any no: A disk of Amazon's cloud.
azureDisk any no: A disk of Microsoft's cloud.
azureFile any no: A file share of Microsoft's cloud.
cinder any no: A disk of OpenStack.
gcePersistentDisk any no: A disk of Google's cloud.
photonPersistentDisk any no: A disk of Photon.
portworxVolume any no: A Portworx volume.
quobyte any no: A Quobyte volume.
scaleIO any no: A ScaleIO volume.
storageos any no: A StorageOS volume.
vsphereVolume any no: A disk of vSphere.

[EmptyDirVolumeSource]
medium string: Where it is kept: "" on the disk, Memory in a tmpfs, HugePages in a hugetlbfs of the
    page size that the pod requests, HugePages-2Mi (or another size) of that one of several.
sizeLimit Quantity: The most it may hold. A tmpfs or hugetlbfs is made that large; of one on
    the disk the pod is evicted (Failed, reason Evicted) when it holds more.

[HostPathVolumeSource]
path string: The path on the host; no "..".
type string: What must be there: "" anything, Directory, File, Socket, CharDevice, BlockDevice;
    DirectoryOrCreate and FileOrCreate make it when it is missing.

[ConfigMapVolumeSource]
name string: The ConfigMap.
items []KeyToPath: Only these keys, at these paths.
defaultMode integer: The files' mode.
optional boolean: true: a missing ConfigMap is no error.

[SecretVolumeSource]
secretName string: The Secret.
items []KeyToPath: Only these keys, at these paths.
defaultMode integer: The files' mode.
optional boolean: true: a missing Secret is no error.

[KeyToPath]
key string: The key.
path string: The file for it.
mode integer: The file's mode.

[ProjectedVolumeSource]
sources []VolumeProjection: What to put together.
defaultMode integer: The files' mode.

[VolumeProjection]
configMap ProjectedReference: Keys of a ConfigMap.
secret ProjectedReference: Keys of a Secret.
downwardAPI DownwardAPIProjection: Fields of the pod.
serviceAccountToken ServiceAccountTokenProjection no: A token for the API server.
clusterTrustBundle any no: Certificates the cluster trusts.
podCertificate any no: A key and certificate of the pod's own.

[ProjectedReference]
name string: The object.
items []KeyToPath: Only these keys, at these paths.
optional boolean: true: a missing object is no error.

[DownwardAPIProjection]
items []DownwardAPIVolumeFile: The files.

[DownwardAPIVolumeSource]
items []DownwardAPIVolumeFile: The files.
defaultMode integer: The files' mode.

[DownwardAPIVolumeFile]
path string: The file.
fieldRef ObjectFieldSelector: A field of the pod.
resourceFieldRef ResourceFieldSelector: A request or limit of a container.
mode integer: The file's mode.

[ServiceAccountTokenProjection]
path string: The file.
audience string: Whom the token is for.
expirationSeconds integer: How long it lasts.

[PersistentVolumeClaimVolumeSource]
claimName string: The claim, of the pod's namespace. Until there is one the pod waits; while a pod
    has it, it is not deleted.
readOnly boolean: No container can write to it.

[ImageVolumeSource]
reference string: The image, named as for a container.
pullPolicy string: Always, IfNotPresent or Never; as for a container, the default is Always for the
    tag latest, or none, and IfNotPresent otherwise.

[EphemeralVolumeSource]
volumeClaimTemplate any: The claim to make.

[NFSVolumeSource]
server string: The server.
path string: The directory it exports.
readOnly boolean: No container can write to it.

[ISCSIVolumeSource]
targetPortal string: Address and port of the target.
iqn string: The target's name.
lun integer: The disk's number.
iscsiInterface string: The interface to use.
initiatorName string: The initiator's name.
fsType string: The file system.
readOnly boolean: No container can write to it.
portals []string: Further addresses.
chapAuthDiscovery boolean: CHAP for discovery.
chapAuthSession boolean: CHAP for the session.
secretRef LocalObjectReference: The CHAP secret.

[CSIVolumeSource]
driver string: The driver.
fsType string: The file system.
readOnly boolean: No container can write to it.
volumeAttributes map[string]string: Settings for the driver.
nodePublishSecretRef LocalObjectReference: A Secret for the driver.
"""
