"""The CSIDriver kind: abilities of a CSI volume driver. The cluster runs no CSI drivers; clients read the objects."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.meta.columns import AGE, NAME, NONE, UNSET
from fairlead.api.meta.rules import unchanged
from fairlead.api.meta.types import Int64, Object, Record
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.kind import Atomic, Column, Doc, SetList, Strategy
from fairlead.machinery.values.status import FieldError, duplicate, invalid, not_supported

_FS_GROUP_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
_MODES = ("Ephemeral", "Persistent")
_SHORTEST_UPDATE_S = 10
_SHORTEST_TOKEN_S = 600
_LONGEST_TOKEN_S = 1 << 32


class TokenRequest(Record):
    """Request for a service-account token that the driver is given when a volume is mounted."""

    audience: Annotated[
        str, Doc("Audience of the token; if empty, the audience of the API server; unique in the list.")
    ] = msgspec.field(default_factory=str)
    expirationSeconds: (
        Annotated[Int64, Doc("Seconds for which the token is valid; at least 600 and at most 2^32.")] | None
    ) = None


class CSIDriverSpec(Record):
    """Abilities and wishes of a CSI driver."""

    attachRequired: (
        Annotated[bool, Doc("True (default) if volumes must be attached to a node before they are mounted; immutable.")]
        | None
    ) = None
    podInfoOnMount: (
        Annotated[bool, Doc("True if the driver wants to know the pod when a volume is mounted; default false.")] | None
    ) = None
    volumeLifecycleModes: Annotated[
        list[str],
        SetList(),
        Doc("Kinds of volumes that the driver supports: Persistent (default) and Ephemeral; immutable."),
    ] = []
    storageCapacity: (
        Annotated[
            bool,
            Doc("True if the scheduler must consider the CSIStorageCapacity objects of the driver; default false."),
        ]
        | None
    ) = None
    fsGroupPolicy: (
        Annotated[
            str,
            Doc(
                "Policy about the owner of files in volumes: ReadWriteOnceWithFSType (default), File to always change "
                "the owner, or None."
            ),
        ]
        | None
    ) = None
    tokenRequests: Annotated[
        list[TokenRequest],
        Atomic(),
        Doc("Service-account tokens of the pod that the driver is given when a volume is mounted."),
    ] = []
    requiresRepublish: (
        Annotated[
            bool, Doc("True if the driver wants to be called again periodically for mounted volumes; default false.")
        ]
        | None
    ) = None
    seLinuxMount: (
        Annotated[bool, Doc("True if volumes can be mounted with an SELinux context as an option; default false.")]
        | None
    ) = None
    nodeAllocatableUpdatePeriodSeconds: (
        Annotated[
            Int64,
            Doc("Seconds between updates of the number of volumes that fit a node; at least 10, never if absent."),
        ]
        | None
    ) = None
    serviceAccountTokenInSecrets: (
        Annotated[
            bool,
            Doc("True to pass tokens in the secrets field of the mount call, which is not logged; default false."),
        ]
        | None
    ) = None
    preventPodSchedulingIfMissing: (
        Annotated[
            bool, Doc("Reserved for a feature that is off by default (VolumeLimitScaling); removed from every write.")
        ]
        | None
    ) = None


class CSIDriver(Object):
    """CSI volume driver that is installed in the cluster; the object has the name of the driver."""

    spec: Annotated[CSIDriverSpec, Doc("Abilities of the driver, as its deployment declares them.")] = msgspec.field(
        default_factory=CSIDriverSpec
    )


def _default(driver: CSIDriver) -> CSIDriver:
    spec = driver.spec
    spec.attachRequired = True if spec.attachRequired is None else spec.attachRequired
    spec.podInfoOnMount = bool(spec.podInfoOnMount)
    spec.storageCapacity = bool(spec.storageCapacity)
    spec.requiresRepublish = bool(spec.requiresRepublish)
    spec.seLinuxMount = bool(spec.seLinuxMount)
    if spec.fsGroupPolicy is None:
        spec.fsGroupPolicy = "ReadWriteOnceWithFSType"
    spec.volumeLifecycleModes = spec.volumeLifecycleModes or ["Persistent"]
    return driver


def _prepare_create(driver: CSIDriver) -> CSIDriver:
    driver.metadata.generation = 0  # upstream counts updates only
    driver.spec.preventPodSchedulingIfMissing = None
    return driver


def _prepare_update(_: CSIDriver, new: CSIDriver) -> CSIDriver:
    new.spec.preventPodSchedulingIfMissing = None
    return new


def _rules(driver: CSIDriver) -> Iterator[FieldError]:
    spec = driver.spec
    if spec.fsGroupPolicy not in _FS_GROUP_POLICIES:
        yield not_supported("spec.fsGroupPolicy", spec.fsGroupPolicy, _FS_GROUP_POLICIES)
    yield from _token_errors(spec.tokenRequests, "spec.tokenRequests")
    for mode in spec.volumeLifecycleModes:
        if mode not in _MODES:
            yield not_supported("spec.volumeLifecycleModes", mode, _MODES)
    period = spec.nodeAllocatableUpdatePeriodSeconds
    if period is not None and period < _SHORTEST_UPDATE_S:
        text = "must be greater than or equal to 10 seconds"
        yield invalid("spec.nodeAllocatableUpdatePeriodSeconds", period, text)
    if spec.serviceAccountTokenInSecrets is not None and not spec.tokenRequests:
        text = "serviceAccountTokenInSecrets is set but no tokenRequests are specified"
        yield invalid("spec.serviceAccountTokenInSecrets", spec.serviceAccountTokenInSecrets, text)


def _token_errors(requests: list[TokenRequest], path: str) -> Iterator[FieldError]:
    known: set[str] = set()
    for i, request in enumerate(requests):
        if request.audience in known:
            yield duplicate(f"{path}[{i}].audience", request.audience)
            continue
        known.add(request.audience)
        seconds, where = request.expirationSeconds, f"{path}[{i}].expirationSeconds"
        if seconds is not None and seconds < _SHORTEST_TOKEN_S:
            yield invalid(where, seconds, "may not specify a duration less than 10 minutes")
        if seconds is not None and seconds > _LONGEST_TOKEN_S:
            yield invalid(where, seconds, "may not specify a duration larger than 2^32 seconds")


def _transition(old: CSIDriver, new: CSIDriver) -> Iterator[FieldError]:
    yield from unchanged(old.spec.attachRequired, new.spec.attachRequired, "spec.attachedRequired")  # upstream's path
    yield from unchanged(old.spec.volumeLifecycleModes, new.spec.volumeLifecycleModes, "spec.volumeLifecycleModes")


def _warnings(driver: CSIDriver) -> Iterator[str]:
    if driver.spec.tokenRequests and driver.spec.serviceAccountTokenInSecrets is None:
        yield (
            "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent "
            "possible logging of tokens in volume attributes"
        )


def _audiences(driver: CSIDriver, _: Instant) -> str:
    return ",".join(request.audience for request in driver.spec.tokenRequests) if driver.spec.tokenRequests else UNSET


STRATEGY: Strategy[CSIDriver] = Strategy(
    type=CSIDriver,
    unconditional_update=False,
    columns=(
        NAME,
        Column(
            "AttachRequired",
            lambda driver, _: driver.spec.attachRequired is not False,
            type="boolean",
            doc="True if volumes must be attached before they are mounted.",
        ),
        Column(
            "PodInfoOnMount",
            lambda driver, _: bool(driver.spec.podInfoOnMount),
            type="boolean",
            doc="True if the driver wants to know the pod of a mount.",
        ),
        Column(
            "StorageCapacity",
            lambda driver, _: bool(driver.spec.storageCapacity),
            type="boolean",
            doc="True if the scheduler considers the driver's reported capacity.",
        ),
        Column("TokenRequests", _audiences, doc="Audiences of the tokens that the driver is given."),
        Column(
            "RequiresRepublish",
            lambda driver, _: bool(driver.spec.requiresRepublish),
            doc="True if the driver is called periodically for mounted volumes.",
        ),
        Column(
            "Modes",
            lambda driver, _: ",".join(driver.spec.volumeLifecycleModes) or NONE,
            doc="Kinds of volumes that the driver supports.",
        ),
        AGE,
    ),
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    rules=_rules,
    transition=_transition,
    warnings=_warnings,
)
