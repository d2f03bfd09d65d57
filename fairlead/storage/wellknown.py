"""Annotations, finalizers and names of volumes, claims and storage classes."""

BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
"""Annotation of a claim that was bound completely at some time."""
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
"""Annotation of a claim or a volume whose reference to the other was written by the controller, not by a user."""
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
"""Annotation of a volume: the provisioner that made it, and that deletes it."""
SELECTED_NODE = "volume.kubernetes.io/selected-node"
"""Annotation of a claim: the node that the scheduler has chosen for the first pod with the claim."""
STORAGE_PROVISIONER = ("volume.beta.kubernetes.io/storage-provisioner", "volume.kubernetes.io/storage-provisioner")
"""Annotations of a claim: the provisioner that is to make a volume."""
DELETION_FINALIZER = "external-provisioner.volume.kubernetes.io/finalizer"
"""Finalizer of a volume until its provisioner has deleted the data (KEP-2644)."""

STANDARD_CLASS = "standard"
"""The StorageClass of every cluster."""
PROVISIONER = "fairlead.dev/directory"
"""The built-in provisioner: its volumes are directories in the cluster's folder."""
NO_PROVISIONER = "kubernetes.io/no-provisioner"
"""The provisioner of a class whose volumes are made by hand."""
IN_TREE = "kubernetes.io/"
"""Prefix of the names of provisioners that are built into upstream's controllers."""
MIGRATED = frozenset(
    IN_TREE + name
    for name in (
        "aws-ebs",
        "azure-disk",
        "azure-file",
        "cinder",
        "gce-pd",
        "portworx-volume",
        "vsphere-volume",
    )
)
"""The in-tree provisioners that CSI drivers replace: these count as external ones (CSI migration, KEP-625)."""
