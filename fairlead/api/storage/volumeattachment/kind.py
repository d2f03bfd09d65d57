"""The VolumeAttachment kind: the wish that a volume be attached to a node. The cluster attaches none."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.core.persistentvolume.kind import default_source
from fairlead.api.core.persistentvolume.types import PersistentVolumeSpec
from fairlead.api.meta.columns import AGE, NAME
from fairlead.api.meta.rules import unchanged
from fairlead.api.meta.types import Int32, Object, Record, Time
from fairlead.api.storage.names import driver_name_errors, too_long
from fairlead.api.storage.volumeattachment.inline import inline_errors
from fairlead.machinery.kinds.kind import Column, Doc, Required, Strategy
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, forbidden, invalid, required

_METADATA_MAX = 256 << 10
_MESSAGE_MAX = 1024
_ONE_SOURCE = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"


class VolumeAttachmentSource(Record):
    """Volume that is to be attached: exactly one of the fields is set."""

    persistentVolumeName: Annotated[str, Doc("Name of the PersistentVolume that is to be attached.")] | None = None
    inlineVolumeSpec: (
        Annotated[
            PersistentVolumeSpec,
            Doc("Volume of a pod, translated to that of a CSI driver, that is to be attached."),
        ]
        | None
    ) = None


class VolumeAttachmentSpec(Record):
    """Attachment that is wanted, and the driver that makes it."""

    attacher: Annotated[str, Required(), Doc("Name of the CSI driver that is to attach the volume.")] = msgspec.field(
        default_factory=str
    )
    source: Annotated[VolumeAttachmentSource, Doc("Volume that is to be attached; required.")] = msgspec.field(
        default_factory=VolumeAttachmentSource
    )
    nodeName: Annotated[str, Doc("Name of the node that the volume is to be attached to; required.")] = msgspec.field(
        default_factory=str
    )


class VolumeError(Record):
    """Error of an attempt to attach or detach a volume."""

    time: Annotated[Time, Doc("Time of the error.")] | None = None
    message: Annotated[str, Doc("Text of the error, at most 1024 bytes; it may be logged.")] = ""
    errorCode: Annotated[Int32, Doc("Code of the error in gRPC.")] | None = None


class VolumeAttachmentStatus(Record):
    """Observed state of an attachment, which the driver's attacher writes."""

    attached: Annotated[bool, Doc("True if the volume is attached to the node.")] = msgspec.field(default_factory=bool)
    attachmentMetadata: Annotated[
        dict[str, str], Doc("Data of the attachment that the driver needs when the node mounts the volume.")
    ] = {}
    attachError: Annotated[VolumeError, Doc("Last error of an attempt to attach the volume.")] | None = None
    detachError: Annotated[VolumeError, Doc("Last error of an attempt to detach the volume.")] | None = None


class VolumeAttachment(Object):
    """Wish that a volume be attached to a node, and what came of it; it never changes but for its status."""

    spec: Annotated[VolumeAttachmentSpec, Doc("Attachment that is wanted; immutable.")] = msgspec.field(
        default_factory=VolumeAttachmentSpec
    )
    status: Annotated[VolumeAttachmentStatus, Doc("Observed state of the attachment; written by the attacher.")] = (
        msgspec.field(default_factory=VolumeAttachmentStatus)
    )


def _default(attachment: VolumeAttachment) -> VolumeAttachment:
    if (inline := attachment.spec.source.inlineVolumeSpec) is not None:
        default_source(inline)
    return attachment


def _prepare_create(attachment: VolumeAttachment) -> VolumeAttachment:
    attachment.status = VolumeAttachmentStatus()
    return attachment


def _rules(attachment: VolumeAttachment) -> Iterator[FieldError]:
    spec, status = attachment.spec, attachment.status
    yield from driver_name_errors(spec.attacher, "spec.attacher")
    yield from _source_errors(spec.source, "spec.source")
    for text in names.dns1123_subdomain(spec.nodeName):
        yield invalid("spec.nodeName", spec.nodeName, text)
    if sum(len(key.encode()) + len(text.encode()) for key, text in status.attachmentMetadata.items()) > _METADATA_MAX:
        yield too_long("status.attachmentMetadata", _METADATA_MAX)
    for name, error in (("attachError", status.attachError), ("detachError", status.detachError)):
        if error is not None:
            yield from _volume_error_errors(error, f"status.{name}")
    if spec.source.persistentVolumeName is not None:
        for text in names.dns1123_subdomain(spec.source.persistentVolumeName):
            yield invalid("spec.source.persistentVolumeName", spec.source.persistentVolumeName, text)


def _source_errors(source: VolumeAttachmentSource, path: str) -> Iterator[FieldError]:
    if source.inlineVolumeSpec is None and source.persistentVolumeName is None:
        yield required(path, _ONE_SOURCE)
    elif source.inlineVolumeSpec is None:
        if not source.persistentVolumeName:
            yield required(f"{path}.persistentVolumeName", "must specify non empty persistentVolumeName")
    elif source.persistentVolumeName is not None:
        yield forbidden(path, _ONE_SOURCE)
    else:
        yield from inline_errors(source.inlineVolumeSpec, f"{path}.inlineVolumeSpec")


def _volume_error_errors(error: VolumeError, path: str) -> Iterator[FieldError]:
    if len(error.message.encode()) > _MESSAGE_MAX:
        yield too_long(f"{path}.message", _METADATA_MAX)  # the limit that upstream's text names, not the one it checks
    if error.errorCode is not None and error.errorCode < 0:
        yield invalid(f"{path}.errorCode", error.errorCode, "must be between 0 and 2147483647, inclusive")


def _transition(old: VolumeAttachment, new: VolumeAttachment) -> Iterator[FieldError]:
    yield from unchanged(old.spec, new.spec, "spec")


STRATEGY: Strategy[VolumeAttachment] = Strategy(
    type=VolumeAttachment,
    unconditional_update=False,
    columns=(
        NAME,
        Column(
            "Attacher",
            lambda found, _: found.spec.attacher,
            format="name",
            doc="Name of the CSI driver that is to attach the volume.",
        ),
        Column(
            "PV",
            lambda found, _: found.spec.source.persistentVolumeName or "",
            doc="Name of the PersistentVolume that is to be attached.",
        ),
        Column(
            "Node",
            lambda found, _: found.spec.nodeName,
            doc="Name of the node that the volume is to be attached to.",
        ),
        Column(
            "Attached",
            lambda found, _: found.status.attached,
            type="boolean",
            doc="State of the attachment: true if the volume is attached.",
        ),
        AGE,
    ),
    default=_default,
    prepare_create=_prepare_create,
    rules=_rules,
    transition=_transition,
)
