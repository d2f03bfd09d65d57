"""The proxy's settings: upstream's KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1), as far as it means
anything here.

A whole configuration of upstream's, as kubeadm writes one, is taken as it is. Each of its fields is one of three:
acted upon; taken note of and without effect, because it is about how upstream's program runs (logs, profiling, the
kernel's limits) and not about packets; or refused, because to ignore it would be to do something else than was asked
(`mode: ipvs`, another mark). What upstream does not have is refused. A mistake is named by its path. Pure.

Defaults are upstream's but for three, so that both modes do the same and a change takes effect at once:
`minSyncPeriod` is 0 (upstream's second only adds to the time that a change takes), node ports answer on all of a
node's addresses but loopback in both modes, and an empty `mode` is nftables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from typing import Any, Literal, cast

import msgspec

from fairlead.base.numbers import port_number
from fairlead.machinery.yamltree import load_yaml

NAMESPACE, NAME, KEY = "kube-system", "kube-proxy", "config.conf"
API_VERSION, KIND = "kubeproxy.config.k8s.io/v1alpha1", "KubeProxyConfiguration"

Mode = Literal["nftables", "iptables"]
MODES: tuple[Mode, ...] = ("nftables", "iptables")
DEFAULT_MODE: Mode = "nftables"
SYNC_PERIOD_S = 30.0
HEALTHZ, METRICS = ("0.0.0.0", 10256), ("127.0.0.1", 10249)
_MARK_BIT = 14
_WORDS = ("primary", "localhost", "all")


class BadProxyConfig(ValueError):
    """The text begins with the field's path and says what it may be."""


class _Fields(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    pass


class _Rules(_Fields):
    masqueradeAll: bool = False
    masqueradeBit: int | None = None
    minSyncPeriod: str = ""
    syncPeriod: str = ""


class _IptablesRules(_Rules):
    localhostNodePorts: bool | None = None


class _Client(_Fields):
    kubeconfig: str = ""
    acceptContentTypes: str = ""
    contentType: str = ""
    qps: float = 0
    burst: int = 0


class _DetectLocal(_Fields):
    bridgeInterface: str = ""
    interfaceNamePrefix: str = ""


class _Document(_Fields):
    """Fields of no further type are those without effect."""

    apiVersion: str = API_VERSION
    kind: str = KIND
    mode: str = ""
    nftables: _Rules = msgspec.field(default_factory=_Rules)
    iptables: _IptablesRules = msgspec.field(default_factory=_IptablesRules)
    nodePortAddresses: list[str] = []
    healthzBindAddress: str = ""
    metricsBindAddress: str = ""
    clusterCIDR: str = ""
    detectLocalMode: str = ""
    detectLocal: _DetectLocal = msgspec.field(default_factory=_DetectLocal)
    hostnameOverride: str = ""
    bindAddress: str = ""
    clientConnection: _Client = msgspec.field(default_factory=_Client)
    bindAddressHardFail: bool = False
    configSyncPeriod: str = ""
    conntrack: dict[str, Any] = {}
    enableProfiling: bool = False
    featureGates: dict[str, bool] = {}
    ipvs: dict[str, Any] = {}
    logging: dict[str, Any] = {}
    oomScoreAdj: int = 0
    portRange: str = ""
    showHiddenMetricsForVersion: str = ""
    udpIdleTimeout: str = ""
    windowsRunAsService: bool = False
    winkernel: dict[str, Any] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyConfig:
    """What is acted upon."""

    mode: Mode = DEFAULT_MODE
    min_sync_s: float = 0.0
    """Changes within this time of one another are made together."""
    sync_s: float = SYNC_PERIOD_S
    """How often the proxy looks for what somebody else changed, and for flows that it missed."""
    masquerade_all: bool = False
    node_ports: tuple[str, ...] = ()
    """Ranges, `primary`, `localhost`, `all`. Empty: all addresses but loopback's."""
    localhost: bool | None = None
    """Node ports on 127.0.0.1, whatever `node_ports` says. None: what that says."""
    healthz: tuple[str, int] = HEALTHZ
    metrics: tuple[str, int] = METRICS
    cluster_cidrs: tuple[str, ...] = ()
    """This and what follows is for a proxy that runs alone: in a cluster of our own the nodes know."""
    detect_local: str = ""
    """`ClusterCIDR`, `NodeCIDR`, `BridgeInterface` or `InterfaceNamePrefix`; empty: whichever of the first is known."""
    link: str = ""
    """The bridge, or what the names of links begin with."""
    node_name: str = ""
    node_ip: str = ""
    kubeconfig: str = ""


def parse_config(text: str) -> ProxyConfig:
    """Raises BadProxyConfig."""
    for mode in MODES:
        if text == default_text(mode):  # spares most clusters the YAML library
            return ProxyConfig(mode=mode)
    return _parse(text)


def _parse(text: str) -> ProxyConfig:
    document = _decode(_tree(text))
    for field, wanted, given in (("apiVersion", API_VERSION, document.apiVersion), ("kind", KIND, document.kind)):
        if given != wanted:
            raise BadProxyConfig(f'{field}: "{given}" is not "{wanted}"')
    mode = cast("Mode", document.mode or DEFAULT_MODE)
    if mode not in MODES:
        raise BadProxyConfig(f'mode: "{mode}" is not one of {", ".join(MODES)}')
    rules: _Rules = document.iptables if mode == "iptables" else document.nftables
    for name, each in (("nftables", document.nftables), ("iptables", document.iptables)):
        if each.masqueradeBit not in (None, _MARK_BIT):
            raise BadProxyConfig(f"{name}.masqueradeBit: the bit is {_MARK_BIT}, and no other")
        _duration(f"{name}.minSyncPeriod", each.minSyncPeriod)
        _duration(f"{name}.syncPeriod", each.syncPeriod)
    found = ProxyConfig(
        mode=mode,
        min_sync_s=_duration("minSyncPeriod", rules.minSyncPeriod),
        sync_s=_duration("syncPeriod", rules.syncPeriod) or SYNC_PERIOD_S,
        masquerade_all=rules.masqueradeAll,
        node_ports=tuple(_node_ports(i, text) for i, text in enumerate(document.nodePortAddresses)),
        localhost=document.iptables.localhostNodePorts if mode == "iptables" else None,
        healthz=parse_endpoint("healthzBindAddress", document.healthzBindAddress, HEALTHZ),
        metrics=parse_endpoint("metricsBindAddress", document.metricsBindAddress, METRICS),
        node_name=document.hostnameOverride,
        node_ip=_own_address(document.bindAddress),
        kubeconfig=document.clientConnection.kubeconfig,
    )
    if found.min_sync_s > found.sync_s:
        raise BadProxyConfig(f"{mode}.minSyncPeriod: is longer than {mode}.syncPeriod")
    return replace(found, **_detection(document))


def _tree(text: str) -> Any:
    if text.lstrip().startswith("{"):
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError as e:
            raise BadProxyConfig(f"{KEY}: is no JSON: {e}") from e
    try:
        return load_yaml(text)
    except ValueError as e:
        raise BadProxyConfig(f"{KEY}: is no YAML: {' '.join(str(e).split())}") from e


def _decode(tree: Any) -> _Document:
    if tree is None:
        return _Document()
    try:
        return msgspec.convert(_without_nulls(tree), _Document)
    except msgspec.ValidationError as e:
        raise BadProxyConfig(_by_path(str(e))) from e


def _without_nulls(tree: Any) -> Any:
    """What is null is as if it were not there, as in upstream's decoding."""
    if isinstance(tree, dict):
        return {key: _without_nulls(value) for key, value in tree.items() if value is not None}
    return tree


_UNKNOWN = re.compile(r"Object contains unknown field `([^`]*)`")
_AT = re.compile(r" - at `\$\.?([^`]*)`$")


def _by_path(message: str) -> str:
    """The decoder's words with the path in front."""
    at = _AT.search(message)
    path, what = (at[1], message[: at.start()]) if at else ("", message)
    unknown = _UNKNOWN.match(what)
    if unknown:
        return f"{path}.{unknown[1]}: unknown field" if path else f"{unknown[1]}: unknown field"
    return f"{path or KEY}: {what[:1].lower()}{what[1:]}"


_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def _duration(path: str, text: str) -> float:
    """In seconds; as Go writes them: `30s`, `1m30s`, `100ms`."""
    if text in ("", "0"):
        return 0.0
    parts = _DURATION.findall(text)
    if "".join(number + unit for number, unit in parts) != text:
        raise BadProxyConfig(f'{path}: "{text}" is no duration such as 30s or 1m30s')
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _own_address(text: str) -> str:
    """Empty where the Node object is to say it."""
    if text in ("", "0.0.0.0", "::"):
        return ""
    try:
        return str(ip_address(text))
    except ValueError:
        raise BadProxyConfig(f'bindAddress: "{text}" is no address') from None


def _node_ports(index: int, text: str) -> str:
    if text in _WORDS:
        return text
    return _range(f"nodePortAddresses[{index}]", text, f"; write a range such as 10.0.0.0/8, or {', '.join(_WORDS)}")


def _range(path: str, text: str, more: str = "") -> str:
    try:
        if "/" not in text:
            raise ValueError
        return str(ip_network(text, strict=False))
    except ValueError:
        raise BadProxyConfig(f'{path}: "{text}" is no range of addresses{more}') from None


def parse_endpoint(path: str, text: str, default: tuple[str, int]) -> tuple[str, int]:
    """An address, `address:port`, or IPv6 as `[address]:port`. Raises BadProxyConfig."""
    if not text:
        return default
    host, _, port = text.rpartition(":") if text.startswith("[") or text.count(":") == 1 else (text, "", "")
    if text.startswith("[") and text.endswith("]"):
        host, port = text, ""
    try:
        address = str(ip_network(host.strip("[]")).network_address)
        number = port_number(port) if port else default[1]
        if number is None:
            raise ValueError
    except ValueError:
        raise BadProxyConfig(f'{path}: "{text}" is not address:port') from None
    return address, number


_LOCAL_MODES = ("ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix")


def _detection(document: _Document) -> dict[str, Any]:
    """What a proxy that runs alone is told of Pods' addresses."""
    mode, local = document.detectLocalMode, document.detectLocal
    if mode and mode not in _LOCAL_MODES:
        raise BadProxyConfig(f'detectLocalMode: "{mode}" is not one of {", ".join(_LOCAL_MODES)}')
    link = ""
    for wanted, field, value in (
        ("BridgeInterface", "bridgeInterface", local.bridgeInterface),
        ("InterfaceNamePrefix", "interfaceNamePrefix", local.interfaceNamePrefix),
    ):
        if mode == wanted:
            if not value:
                raise BadProxyConfig(f"detectLocal.{field}: is needed with detectLocalMode: {mode}")
            link = value
    if link and not re.fullmatch(r"[\w.@-]{1,15}", link):
        raise BadProxyConfig(f'detectLocal: "{link}" is no name of a link')
    return {
        "cluster_cidrs": parse_ranges("clusterCIDR", document.clusterCIDR),
        "detect_local": mode,
        "link": link,
    }


def parse_ranges(path: str, text: str) -> tuple[str, ...]:
    """Ranges separated by commas. Raises BadProxyConfig."""
    return tuple(_range(path, part.strip()) for part in text.split(",") if part.strip())


def with_mode(data: Mapping[str, str], mode: Mode) -> str:
    """The ConfigMap's text with another mode and all else as it was; a text that is none is made anew."""
    text = data.get(KEY, "")
    line = f"mode: {mode}"
    changed, count = re.subn(r"(?m)^mode:.*$", line, text)
    if not count:
        changed = f"{text.rstrip()}\n{line}\n" if text.strip() else default_text(mode)
    try:
        good = parse_config(changed).mode == mode
    except BadProxyConfig:
        good = False
    return changed if good else default_text(mode)


def default_text(mode: Mode) -> str:
    """What the ConfigMap says where nobody wrote it."""
    return f"""\
apiVersion: {API_VERSION}
kind: {KIND}
# nftables or iptables; open connections go on when it changes.
mode: {mode}
# Ranges of nodes' addresses, or primary, localhost, all. Empty: all but localhost.
nodePortAddresses: []
nftables:
  # How long a change may wait for others, and how often to look for what somebody else changed.
  minSyncPeriod: 0s
  syncPeriod: 30s
  masqueradeAll: false
iptables:
  minSyncPeriod: 0s
  syncPeriod: 30s
  masqueradeAll: false
"""
