"""The settings of a cluster: given on the command line, kept in `config.json`, checked before anything starts.

A setting not given is the one the cluster was made with. The ranges that addresses in the store come from, and with
them the address families, cannot change while the store lives (`down --purge` forgets it).

A cluster has the families of its ranges, which are pairs where it has both, the IPv4 range first: there is no setting
beside them that could say something else. Rejected: IPv6 as the first of two. What is the cluster's own would have to
be reached by either, and nothing would be gained but which of a Service's addresses is named first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields, replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any, Literal

from fairlead.base.addresses import unmapped
from fairlead.base.numbers import port_number
from fairlead.cmd.cluster.paths import Paths, write_private
from fairlead.cmd.cluster.storeconfig import SQLITE, EtcdFiles, check_store, parse_store
from fairlead.cmd.errors import CommandError, UsageError

if TYPE_CHECKING:
    from fairlead.loadbalancer.pool import Pool
    from fairlead.net.model import ClusterNetwork
    from fairlead.store.etcd.address import EtcdAddress

IpFamily = Literal["ipv4", "ipv6", "dual"]
ProxyMode = Literal["", "nftables", "iptables"]
_VERSIONS: dict[IpFamily, tuple[int, ...]] = {"ipv4": (4,), "ipv6": (6,), "dual": (4, 6)}
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")
_HOW_TO_WRITE_RANGES = "write it as 10.50.0.0/16, fd00:10:50::/56, or for both families 10.50.0.0/16,fd00:10:50::/56"
DEFAULT_API_PORT = 6443
_RANGES = ("pod_cidr", "service_cidr")
_TAKEN_INSIDE = {("tcp", 53), ("udp", 53), ("tcp", 6443)}
FIRST_FREE_PORT = 1024
"""Below it, ordinary users may not listen."""


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    name: str
    nodes: int = 1
    api_port: int = 0
    """0: 6443, or a free port where that is taken."""
    api_address: str = ""
    """One of the host's own at which the API is served too, for other machines; empty: only 127.0.0.1."""
    pod_cidr: str = "10.244.0.0/16"
    """Of one family, or of both two ranges with a comma between, the IPv4 one first."""
    service_cidr: str = "10.96.0.0/12"
    """Likewise."""
    node_port_range: tuple[int, int] = (30000, 32767)
    upstream: str = "host"
    """Who is asked about names outside the cluster: `host` (its resolv.conf), `none`, or addresses."""
    expose_host: tuple[int, ...] = ()
    """TCP ports of the host's 127.0.0.1 that Pods may connect to."""
    expose_host_udp: tuple[int, ...] = ()
    """UDP ports of it that they may send to."""
    lb_pool: str = ""
    """The addresses of load balancers, as in `parse_pool`; empty: 172.30.0.200-250, and their like of IPv6."""
    host_routes: bool = False
    """Whether the host has routes to the cluster's addresses; only root may."""

    store: str = SQLITE
    """`sqlite`, or `etcd+http(s)://HOST:PORT,...`."""
    etcd_cafile: str = ""
    etcd_certfile: str = ""
    etcd_keyfile: str = ""
    proxy_mode: ProxyMode = ""
    """What this start asked for: it is written into the proxy's ConfigMap, which counts from then on."""

    @property
    def node_names(self) -> tuple[str, ...]:
        return tuple(f"node{i}" for i in range(1, self.nodes + 1))

    @property
    def exposed(self) -> frozenset[tuple[str, int]]:
        """Protocols and ports of the host's 127.0.0.1 that Pods may reach."""
        return frozenset(
            [("TCP", port) for port in self.expose_host] + [("UDP", port) for port in self.expose_host_udp]
        )

    @property
    def etcd(self) -> EtcdAddress | None:
        """None if the store is SQLite."""
        return parse_store(self.store)

    @property
    def etcd_files(self) -> EtcdFiles:
        return EtcdFiles(self.etcd_cafile, self.etcd_certfile, self.etcd_keyfile)

    @property
    def ip_family(self) -> IpFamily:
        return _families_of({self.pod_cidr}) or "ipv4"

    def network(self) -> ClusterNetwork:
        from fairlead.net.model import FABRIC, POD_CIDR, SERVICE_CIDR, ClusterNetwork, Network6

        pods, services = _by_version(self.pod_cidr), _by_version(self.service_cidr)
        network = ClusterNetwork(
            fabric=FABRIC,
            pod_cidr=IPv4Network(pods.get(4, POD_CIDR)),
            service_cidr=IPv4Network(services.get(4, SERVICE_CIDR)),
            node_port_range=self.node_port_range,
            six=Network6(pod_cidr=IPv6Network(pods[6]), service_cidr=IPv6Network(services[6])) if 6 in pods else None,
            only_six=4 not in pods,
        )
        if not self.lb_pool:
            return network
        from fairlead.loadbalancer.pool import off_fabric, parse_pool

        return replace(network, balancers=off_fabric(parse_pool(self.lb_pool), network))

    def pool(self) -> Pool:
        from fairlead.loadbalancer.pool import default_pool, parse_pool

        return parse_pool(self.lb_pool) if self.lb_pool else default_pool(self.network())

    @property
    def dns_ip(self) -> str:
        """The tenth address of the Service range, as everywhere."""
        return self.dns_ips[0]

    @property
    def dns_ips(self) -> tuple[str, ...]:
        """Of each family."""
        return tuple(map(str, self.network().dns_ips))


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line says; None where it says nothing."""

    nodes: int | None = None
    api_port: int | None = None
    api_address: str | None = None
    ip_family: IpFamily | None = None
    pod_cidr: str | None = None
    service_cidr: str | None = None
    node_port_range: tuple[int, int] | None = None
    upstream: str | None = None
    expose_host: tuple[int, ...] | None = None
    expose_host_udp: tuple[int, ...] | None = None
    lb_pool: str | None = None
    host_routes: bool | None = None
    store: str | None = None
    etcd_cafile: str | None = None
    etcd_certfile: str | None = None
    etcd_keyfile: str | None = None
    proxy_mode: ProxyMode | None = None


def parse_name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise UsageError(
            f'"{text}" is no name for a cluster: use at most 40 lower-case letters, digits and "-", '
            "beginning and ending with a letter or digit"
        )
    return text


def parse_port_range(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,5})-([0-9]{1,5})", text)
    low, high = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= low <= high <= 65535:
        raise UsageError(f'"{text}" is no range of ports: write it as 30000-32767')
    return low, high


def parse_exposed(text: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """TCP ports and UDP ports: `5432,5353/udp`."""
    found: dict[str, set[int]] = {"tcp": set(), "udp": set()}
    for part in () if text == "none" else text.split(","):
        number, _, protocol = part.strip().lower().partition("/")
        port = port_number(number) or 0
        if not port or (protocol or "tcp") not in found:
            how = "write it as 5432 or 5432,6379,5353/udp, or none"
            raise UsageError(f'--expose-host: "{text}" is no list of ports: {how}')
        if (protocol or "tcp", port) in _TAKEN_INSIDE:
            raise UsageError(f"--expose-host {part}: on the cluster's side the cluster itself serves that port")
        found[protocol or "tcp"].add(port)
    return tuple(sorted(found["tcp"])), tuple(sorted(found["udp"]))


def parse_cidrs(text: str, flag: str) -> str:
    """A range of one family, or with a comma between an IPv4 and an IPv6 range."""
    try:
        found = [ip_network(part.strip()) for part in text.split(",")]
    except ValueError as e:
        raise UsageError(f'{flag}: "{text}" is no range of addresses ({e}); {_HOW_TO_WRITE_RANGES}') from e
    match [network.version for network in found]:
        case [4] | [6] | [4, 6]:
            return ",".join(map(str, found))
        case [6, 4]:
            raise UsageError(
                f'{flag}: "{text}" has the IPv6 range first, and IPv4 is the first family where there are both: '
                "turn them round"
            )
        case _:
            raise UsageError(f'{flag}: "{text}" is not one range of each family; {_HOW_TO_WRITE_RANGES}')


def parse_api_address(text: str) -> str:
    if text == "none":
        return ""
    try:
        address = unmapped(ip_address(text))
    except ValueError:
        raise UsageError(f'--api-address: "{text}" is no IP address, nor is it none') from None
    if address.is_unspecified or address.is_loopback or address.is_multicast:
        raise UsageError(f"--api-address {text}: name one address of this machine's own, by which others reach it")
    return str(address)


def parse_lb_pool(text: str) -> str:
    if text == "default":
        return ""
    from fairlead.loadbalancer.pool import BadPool, parse_pool

    try:
        return str(parse_pool(text))
    except BadPool as e:
        raise UsageError(f"--lb-pool: {e}") from e


def parse_upstream(text: str) -> str:
    from fairlead.dns.config import BadConfig, parse_upstreams

    try:
        return " ".join(parse_upstreams("--upstream", text)) or "none"
    except BadConfig as e:
        raise UsageError(f"{e}; write host, none, or addresses separated by commas") from e


def load(paths: Paths) -> ClusterConfig | None:
    """The settings the cluster was made with, or None where there is no such cluster."""
    try:
        tree: dict[str, Any] = json.loads(paths.config.read_bytes())
        return _from_tree(tree)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, UsageError) as e:
        cure = f"`fairlead down --purge --name {paths.root.name}` starts afresh"
        raise CommandError(f"cannot read {paths.config}: {e}; {cure}") from e


def _from_tree(tree: Any) -> ClusterConfig:
    """Raises ValueError or TypeError where it is none that `save` wrote (unknown keys are a later version's)."""
    if not isinstance(tree, dict):
        raise TypeError("not a JSON object")
    known = {f.name: f.default for f in fields(ClusterConfig)}
    tree = {k: tuple(v) if isinstance(v, list) else v for k, v in tree.items() if k in known}
    for key, value in tree.items():
        if key != "name" and type(value) is not type(known[key]):
            raise TypeError(f"{key} is {value!r}")
    config = ClusterConfig(**tree)
    low, high = config.node_port_range
    parse_port_range(f"{low}-{high}")
    cidrs = parse_cidrs(config.pod_cidr, "pod_cidr"), parse_cidrs(config.service_cidr, "service_cidr")
    if _families_of({cidrs[0]}) != _families_of({cidrs[1]}):
        raise ValueError(f"pod_cidr {cidrs[0]} and service_cidr {cidrs[1]} are not of the same families")
    return config


def save(config: ClusterConfig, paths: Paths) -> None:
    write_private(paths.config, json.dumps(asdict(config), indent=1).encode())


def merge(name: str, stored: ClusterConfig | None, given: Given, *, has_store: bool) -> ClusterConfig:
    """The settings to start with. Raises UsageError where they contradict each other or the store."""
    base = replace(stored, proxy_mode="") if stored else ClusterConfig(name)
    changes = {f.name: getattr(given, f.name) for f in fields(given) if getattr(given, f.name) is not None}
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
            f"`fairlead down --purge --name {name}` makes room for another store"
        )
    check(config)
    return config


def _implied(base: ClusterConfig, given: Given) -> IpFamily:
    """The ranges say it as well; one range of a pair says nothing of the other."""
    found = _families_of({getattr(given, key) for key in _RANGES} - {None})
    return base.ip_family if found is None or base.ip_family == "dual" else found


def _families_of(ranges: Collection[str]) -> IpFamily | None:
    """None of nothing."""
    versions = tuple(sorted({version for text in ranges for version in _by_version(text)}))
    return next((family for family, wanted in _VERSIONS.items() if wanted == versions), None)


def _by_version(ranges: str) -> dict[int, str]:
    """One range, or two with a comma between."""
    return {6 if ":" in part else 4: part for part in ranges.split(",")}


def _of_family(family: IpFamily, key: str, before: str, given: str | None) -> str:
    """The range or ranges of one setting: given, else as before, else the default."""
    wanted, new = _VERSIONS[family], _by_version(given) if given else {}
    if wrong := new.keys() - set(wanted):
        flag = f"--{key.replace('_', '-')}"
        raise UsageError(
            f"{flag} {given} has an IPv{wrong.pop()} range, and --ip-family is {family}: leave one of them away"
        )
    known = _defaults(key) | _by_version(before) | new
    return ",".join(known[version] for version in wanted)


def _defaults(key: str) -> dict[int, str]:
    from fairlead.net.model import POD_CIDR, POD_CIDR6, SERVICE_CIDR, SERVICE_CIDR6

    four, six = {"pod_cidr": (POD_CIDR, POD_CIDR6), "service_cidr": (SERVICE_CIDR, SERVICE_CIDR6)}[key]
    return {4: str(four), 6: str(six)}


def _fixed(name: str, flag: str, value: str) -> str:
    return (
        f'cluster "{name}" was made with --{flag} {value}, and its objects hold addresses from it: '
        f"`fairlead down --purge --name {name}` forgets them"
    )


def check(config: ClusterConfig) -> None:
    """Raises UsageError naming the two settings that cannot go together."""
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
    if config.lb_pool:
        from fairlead.loadbalancer.pool import problem

        if what := problem(config.pool(), config.network()):
            raise UsageError(f"--lb-pool {what}; --lb-pool default takes the addresses that were meant for it")
