"""Parses the fields of KubeProxyConfiguration. `config` interprets them.

Each field is one of three. Some have an effect. Others are accepted without effect, because they concern upstream's
process (logs, profiling, the kernel's limits) and not packets. The rest are refused, because ignoring them would
change the requested behaviour (`mode: ipvs`, another mark). Fields unknown to upstream are refused. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Literal

from fairlead.base.codec import Text
from fairlead.base.dataclass import dataclass, field
from fairlead.base.numbers import port_number
from fairlead.proxy.settings.modes import Mode

API_VERSION, KIND = "kubeproxy.config.k8s.io/v1alpha1", "KubeProxyConfiguration"
HEALTHZ, METRICS = ("0.0.0.0", 10256), ("127.0.0.1", 10249)
_WORDS = ("primary", "localhost", "all")
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def _exactly(expected: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text != expected:
            raise ValueError(f'"{text}" is not "{expected}"')
        return text

    return read


def _seconds(text: str) -> float:
    """Reads a duration as Go writes it: `30s`, `1m30s`, `100ms`."""
    if text in ("", "0"):
        return 0.0
    parts = _DURATION.findall(text)
    if "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f'invalid duration "{text}": expected e.g. 30s or 1m30s')
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _own_address(text: str) -> str:
    """Returns the node's own address; empty if the Node object decides."""
    if text in ("", "0.0.0.0", "::"):
        return ""
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError(f'invalid IP address "{text}"') from None


def _node_ports(text: str) -> str:
    return text if text in _WORDS else _range(text, f"; write a range such as 10.0.0.0/8, or {', '.join(_WORDS)}")


def _range(text: str, more: str = "") -> str:
    try:
        if "/" not in text:
            raise ValueError
        return str(ip_network(text, strict=False))
    except ValueError:
        raise ValueError(f'invalid range of addresses "{text}"{more}') from None


def _ranges(text: str) -> tuple[str, ...]:
    """Reads ranges separated by commas."""
    return tuple(_range(part.strip()) for part in text.split(",") if part.strip())


def _endpoint(default: tuple[str, int], text: str) -> tuple[str, int]:
    """Reads an address, `address:port`, or IPv6 as `[address]:port`."""
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
        raise ValueError(f'invalid address "{text}": expected IP:PORT') from None
    return address, number


def _link(text: str) -> str:
    if text and not re.fullmatch(r"[\w.@-]{1,15}", text):
        raise ValueError(f'invalid link name "{text}"')
    return text


Duration = Annotated[float, Text(_seconds)]
Link = Annotated[str, Text(_link)]
Free = Mapping[str, Any]
"""An object that is accepted without effect."""


@dataclass(frozen=True, slots=True)
class Rules:
    masqueradeAll: bool = False
    masqueradeBit: int | None = None
    minSyncPeriod: Duration = 0.0
    syncPeriod: Duration = 0.0


@dataclass(frozen=True, slots=True)
class IptablesRules(Rules):
    localhostNodePorts: bool | None = None


@dataclass(frozen=True, slots=True)
class Client:
    kubeconfig: str = ""
    acceptContentTypes: str = ""
    contentType: str = ""
    qps: float = 0
    burst: int = 0


@dataclass(frozen=True, slots=True)
class DetectLocal:
    bridgeInterface: Link = ""
    interfaceNamePrefix: Link = ""


@dataclass(frozen=True, slots=True)
class Document:
    """The whole file. Fields below `clientConnection` are checked and not used."""

    apiVersion: Annotated[str, Text(_exactly(API_VERSION))] = API_VERSION
    kind: Annotated[str, Text(_exactly(KIND))] = KIND
    mode: Literal["", Mode] = ""
    nftables: Rules = Rules()
    iptables: IptablesRules = IptablesRules()
    nodePortAddresses: tuple[Annotated[str, Text(_node_ports)], ...] = ()
    healthzBindAddress: Annotated[tuple[str, int], Text(partial(_endpoint, HEALTHZ))] = HEALTHZ
    metricsBindAddress: Annotated[tuple[str, int], Text(partial(_endpoint, METRICS))] = METRICS
    clusterCIDR: Annotated[tuple[str, ...], Text(_ranges)] = ()
    detectLocalMode: Literal["", "ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix"] = ""
    detectLocal: DetectLocal = DetectLocal()
    hostnameOverride: str = ""
    bindAddress: Annotated[str, Text(_own_address)] = ""
    clientConnection: Client = Client()
    bindAddressHardFail: bool = False
    configSyncPeriod: str = ""
    conntrack: Free = field(default_factory=dict)
    enableProfiling: bool = False
    featureGates: Mapping[str, bool] = field(default_factory=dict)
    ipvs: Free = field(default_factory=dict)
    logging: Free = field(default_factory=dict)
    oomScoreAdj: int = 0
    portRange: str = ""
    showHiddenMetricsForVersion: str = ""
    udpIdleTimeout: str = ""
    windowsRunAsService: bool = False
    winkernel: Free = field(default_factory=dict)
