"""The proxy's settings: upstream's KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1), as far as it applies
here.

A complete configuration for upstream, as kubeadm writes it, is accepted unchanged (`configfile` lists the fields).
Every error names the path of the field. Pure.

Defaults are upstream's except for three, so that both modes behave alike and a change takes effect at once:
`minSyncPeriod` is 0 (upstream's second only delays changes), node ports answer on all of a node's addresses except
loopback in both modes, and an empty `mode` is nftables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from fairlead.base.codec import CodecError, Fault
from fairlead.base.dataclass import dataclass
from fairlead.machinery.values.settings import read_settings
from fairlead.proxy.settings.configfile import API_VERSION, HEALTHZ, KIND, METRICS, Document, Rules
from fairlead.proxy.settings.modes import DEFAULT_MODE, FACTS, MODES, Mode

NAMESPACE, NAME, KEY = "kube-system", "kube-proxy", "config.conf"

SYNC_PERIOD_S = 30.0
_MARK_BIT = 14


class BadProxyConfig(ValueError):
    """Invalid settings. Each fault begins with the field's path and says which values are allowed."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyConfig:
    """The settings that have an effect."""

    mode: Mode = DEFAULT_MODE
    min_sync_s: float = 0.0
    """Changes within this time of one another are applied together."""
    sync_s: float = SYNC_PERIOD_S
    """Period of the checks for foreign changes and for missed stale flows, in seconds."""
    masquerade_all: bool = False
    node_ports: tuple[str, ...] = ()
    """Ranges, `primary`, `localhost`, `all`. Empty: all addresses except loopback."""
    localhost: bool | None = None
    """Node ports on 127.0.0.1, regardless of `node_ports`. None: `node_ports` decides."""
    healthz: tuple[str, int] = HEALTHZ
    metrics: tuple[str, int] = METRICS
    cluster_cidrs: tuple[str, ...] = ()
    """This field and the following ones are for a standalone proxy: nodes of Fairlead's clusters know these facts."""
    detect_local: str = ""
    """`ClusterCIDR`, `NodeCIDR`, `BridgeInterface` or `InterfaceNamePrefix`; empty: the first of these that is
    known."""
    link: str = ""
    """The name of the bridge, or the prefix of the names of links."""
    node_name: str = ""
    node_ip: str = ""
    kubeconfig: str = ""


def parse_config(text: str) -> ProxyConfig:
    """Parses the text. Raises BadProxyConfig."""
    for mode in MODES:
        if text == default_text(mode):  # saves most clusters the import of the YAML library
            return ProxyConfig(mode=mode)
    try:
        document = read_settings(Document, text, root=KEY)
    except CodecError as e:
        raise BadProxyConfig(*e.faults) from e
    return _config(document)


def _config(document: Document) -> ProxyConfig:
    """Checks the fields together. Raises BadProxyConfig if they contradict each other."""
    mode: Mode = document.mode or DEFAULT_MODE
    rules = _sections(document)[mode]
    if faults := list(_faults(document, mode, rules)):
        raise BadProxyConfig(*faults)
    local = document.detectLocal
    links = {"BridgeInterface": local.bridgeInterface, "InterfaceNamePrefix": local.interfaceNamePrefix}
    return ProxyConfig(
        mode=mode,
        min_sync_s=rules.minSyncPeriod,
        sync_s=rules.syncPeriod or SYNC_PERIOD_S,
        masquerade_all=rules.masqueradeAll,
        node_ports=document.nodePortAddresses,
        localhost=document.iptables.localhostNodePorts if FACTS[mode].localhost_setting else None,
        healthz=document.healthzBindAddress,
        metrics=document.metricsBindAddress,
        cluster_cidrs=document.clusterCIDR,
        detect_local=document.detectLocalMode,
        link=links.get(document.detectLocalMode, ""),
        node_name=document.hostnameOverride,
        node_ip=document.bindAddress,
        kubeconfig=document.clientConnection.kubeconfig,
    )


def _sections(document: Document) -> Mapping[Mode, Rules]:
    return {"nftables": document.nftables, "iptables": document.iptables}


def _faults(document: Document, mode: Mode, rules: Rules) -> Iterator[Fault]:
    for name, each in _sections(document).items():
        if each.masqueradeBit not in (None, _MARK_BIT):
            yield Fault(f"{name}.masqueradeBit", f"the bit is {_MARK_BIT}, and no other")
    if rules.minSyncPeriod > (rules.syncPeriod or SYNC_PERIOD_S):
        yield Fault(f"{mode}.minSyncPeriod", f"is longer than {mode}.syncPeriod")
    local = document.detectLocal
    for needed_by, field, value in (
        ("BridgeInterface", "bridgeInterface", local.bridgeInterface),
        ("InterfaceNamePrefix", "interfaceNamePrefix", local.interfaceNamePrefix),
    ):
        if document.detectLocalMode == needed_by and not value:
            yield Fault(f"detectLocal.{field}", f"is needed with detectLocalMode: {needed_by}")


def with_mode(data: Mapping[str, str], mode: Mode) -> str:
    """Returns the ConfigMap's text with another mode and all else unchanged; text that is not a configuration is
    replaced."""
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
    """Returns the ConfigMap's initial text."""
    return f"""\
apiVersion: {API_VERSION}
kind: {KIND}
# nftables or iptables; open connections go on when it changes.
mode: {mode}
# Ranges of nodes' addresses, or primary, localhost, all. Empty: all but localhost.
nodePortAddresses: []
nftables:
  # How long a change may wait for others, and how often to look for changes by other programs.
  minSyncPeriod: 0s
  syncPeriod: 30s
  masqueradeAll: false
iptables:
  minSyncPeriod: 0s
  syncPeriod: 30s
  masqueradeAll: false
"""
