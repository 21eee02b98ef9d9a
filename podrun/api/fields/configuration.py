"""ConfigMap, Secret and PersistentVolumeClaim."""

TABLE = """
[ConfigMap]
apiVersion string: The version of the API the object is written for: v1.
kind string: The kind of object: ConfigMap.
metadata ObjectMeta: What identifies the object.
data map[string]string: Keys and texts. A key has letters, digits, "-", "_" and ".".
binaryData map[string]string: Keys and contents that are no text, in base64.
immutable boolean: true: the data can never be changed, only the whole deleted.

[Secret]
apiVersion string: The version of the API the object is written for: v1.
kind string: The kind of object: Secret.
metadata ObjectMeta: What identifies the object.
type string: Opaque unless given; others (kubernetes.io/tls, …) must have certain keys.
data map[string]string: Keys and contents, in base64.
stringData map[string]string: Keys and texts, for people to write: they join data.
immutable boolean: true: the data can never be changed, only the whole deleted.

[PersistentVolumeClaim]
apiVersion string: The version of the API the object is written for: v1.
kind string: The kind of object: PersistentVolumeClaim.
metadata ObjectMeta: What identifies the object.
spec PersistentVolumeClaimSpec: What is asked for. podrun gives a directory of the machine.
status PersistentVolumeClaimStatus set: What was given.

[PersistentVolumeClaimSpec]
accessModes []string: ReadWriteOnce, ReadOnlyMany, ReadWriteMany or ReadWriteOncePod. On one machine
    the first three are the same.
resources VolumeResourceRequirements: How much storage; the disk must be as large. Nothing holds the
    pods to it.
storageClassName string note =local: Kept as it is: there is one class, a directory of the machine.
volumeMode string: Filesystem (default). Block is refused.
volumeName string: The volume behind the claim, of the claim's own name. podrun fills it in.
selector any no: Which volumes may be chosen.
dataSource any no: What the volume is filled with.
dataSourceRef any no: What the volume is filled with.
volumeAttributesClassName string no: Settings of a storage driver.

[VolumeResourceRequirements]
requests map[string]Quantity: storage: how much there must be room for.
limits map[string]Quantity: storage: kept as it is.

[PersistentVolumeClaimStatus]
phase string: Bound.
accessModes []string: As the spec asks for.
capacity map[string]Quantity: storage: as the spec asks for.
"""
