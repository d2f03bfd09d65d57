"""The settings to start with: those of the last start, changed by the command line, and checked.

A setting that is not given is the one the cluster was made with. The ranges that addresses in the store come from, and
with them the address families, cannot change while the store lives (`down --purge` deletes it).
"""

from __future__ import annotations

import re

from fairlead.base.dataclass import dataclass, facts, replace
from fairlead.cmd.cluster.auditconfig import check_audit
from fairlead.cmd.cluster.config import FIRST_FREE_PORT, AuthorizationMode, ClusterConfig, ProxyMode
from fairlead.cmd.cluster.imagesconfig import check_images
from fairlead.cmd.cluster.ranges import VERSIONS, IpFamily, by_version, families_of
from fairlead.cmd.cluster.storeconfig import check_store
from fairlead.cmd.errors import UsageError

_RANGES = ("pod_cidr", "service_cidr")


@dataclass(frozen=True, slots=True)
class FlagValues:
    """The settings given on the command line; None if a flag is absent."""

    nodes: int | None = None
    zones: int | None = None
    api_port: int | None = None
    api_address: str | None = None
    ip_family: IpFamily | None = None
    pod_cidr: str | None = None
    service_cidr: str | None = None
    node_port_range: tuple[int, int] | None = None
    upstream: str | None = None
    registries: str | None = None
    images: str | None = None
    expose_host: tuple[int, ...] | None = None
    expose_host_udp: tuple[int, ...] | None = None
    egress: bool | None = None
    egress_refuse: str | None = None
    lb_pool: str | None = None
    host_routes: bool | None = None
    store: str | None = None
    etcd_cafile: str | None = None
    etcd_certfile: str | None = None
    etcd_keyfile: str | None = None
    authorization_mode: AuthorizationMode | None = None
    audit_policy: str | None = None
    audit_log: str | None = None
    audit_log_maxsize: int | None = None
    proxy_mode: ProxyMode | None = None


def merge(name: str, stored: ClusterConfig | None, given: FlagValues, *, has_store: bool) -> ClusterConfig:
    """Returns the settings to start with. Raises UsageError if they contradict each other or the store."""
    base = replace(stored, proxy_mode="") if stored else ClusterConfig(name)
    names = [field.name for field in facts(FlagValues) or ()]
    changes = {name: getattr(given, name) for name in names if getattr(given, name) is not None}
    if changes.get("audit_policy") == "":
        changes.setdefault("audit_log", "")
    family = changes.pop("ip_family", None) or _implied(base, given)
    if has_store and stored is not None and family != stored.ip_family:
        raise UsageError(_fixed(name, "ip-family", stored.ip_family))
    for key in _RANGES:
        changes[key] = _of_family(family, key, getattr(base, key), getattr(given, key))
    config = replace(base, **changes)
    if has_store and stored is not None:
        for key in _RANGES:
            if getattr(config, key) != getattr(stored, key):
                raise UsageError(_fixed(name, key.replace("_", "-"), getattr(stored, key)))
    if has_store and stored is not None and (config.etcd is None) != (stored.etcd is None):
        raise UsageError(
            f'cluster "{name}" keeps its objects in {stored.store}: '
            f"to use another store, delete the cluster: fairlead down --purge --name {name}"
        )
    try:
        check(config)
    except UsageError as e:
        raise UsageError(f"{e}{_kept(str(e), name, stored, given)}") from e
    return config


def _kept(error: str, name: str, stored: ClusterConfig | None, given: FlagValues) -> str:
    """Returns which flags of the error have the values of the last start, in words."""
    named = [flag for flag in dict.fromkeys(re.findall(r"--[a-z-]+", error)) if _is_kept(flag, stored, given)]
    return f" (cluster {name} keeps {' and '.join(named)} from its last start)" if named else ""


def _is_kept(flag: str, stored: ClusterConfig | None, given: FlagValues) -> bool:
    key = flag.removeprefix("--").replace("-", "_")
    if stored is None or not hasattr(stored, key) or getattr(given, key) is not None:
        return False
    return bool(getattr(stored, key) != getattr(ClusterConfig(stored.name), key))


def _implied(base: ClusterConfig, given: FlagValues) -> IpFamily:
    """Returns the family that the ranges imply. One range does not make a dual-stack cluster single-stack."""
    family = families_of({getattr(given, key) for key in _RANGES} - {None})
    return base.ip_family if family is None or base.ip_family == "dual" else family


def _of_family(family: IpFamily, key: str, before: str, given: str | None) -> str:
    """Returns the range or ranges of one setting: as given, or else as before, or else the default."""
    versions, new = VERSIONS[family], by_version(given) if given else {}
    if wrong := new.keys() - set(versions):
        flag = f"--{key.replace('_', '-')}"
        raise UsageError(f"{flag} {given} has an IPv{wrong.pop()} range, but --ip-family is {family}: omit one of them")
    known = _defaults(key) | by_version(before) | new
    return ",".join(known[version] for version in versions)


def _defaults(key: str) -> dict[int, str]:
    from fairlead.net.model import POD_CIDR, POD_CIDR6, SERVICE_CIDR, SERVICE_CIDR6

    four, six = {"pod_cidr": (POD_CIDR, POD_CIDR6), "service_cidr": (SERVICE_CIDR, SERVICE_CIDR6)}[key]
    return {4: str(four), 6: str(six)}


def _fixed(name: str, flag: str, value: str) -> str:
    return (
        f'cluster "{name}" was created with --{flag} {value}, and its objects contain such addresses: '
        f"to change it, delete the cluster: fairlead down --purge --name {name}"
    )


def check(config: ClusterConfig) -> None:
    """Raises UsageError with the names of two settings if they contradict each other."""
    if config.nodes < 1:
        raise UsageError(f"--nodes {config.nodes}: a cluster has at least one node")
    if not 0 <= config.zones <= config.nodes:
        text = f"invalid --zones {config.zones}: expected a number from 0 to --nodes, which is {config.nodes}"
        raise UsageError(text)
    if not 0 <= config.api_port <= 65535:
        raise UsageError(f"--api-port {config.api_port}: a port is a number from 1 to 65535")
    low, high = config.node_port_range
    if not config.api_port and low <= FIRST_FREE_PORT and high == 65535:
        raise UsageError(f"--node-port-range {low}-{high} leaves no port for the API: narrow it, or choose --api-port")
    if low <= config.api_port <= high:
        raise UsageError(f"--api-port {config.api_port} lies in --node-port-range {low}-{high}: move one of them")
    try:
        config.network().validate(config.nodes)
    except ValueError as e:
        raise UsageError(f"{e}: set --pod-cidr, --service-cidr, --node-port-range and --nodes so that they fit") from e
    check_store(config.store, config.etcd_files)
    check_images(config.images)
    check_audit(config.audit_policy, config.audit_log, config.audit_log_maxsize)
    if config.lb_pool:
        from fairlead.loadbalancer.pool import problem

        if what := problem(config.pool(), config.network()):
            raise UsageError(f"--lb-pool {what}; --lb-pool default selects the default addresses")
