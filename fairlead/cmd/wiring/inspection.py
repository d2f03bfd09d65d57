"""Makes the world that `rules` and `trace` work on: the API's objects, and the rules that they demand of each node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

from fairlead.api.core.configmap.kind import ConfigMap
from fairlead.api.core.node.kind import Node
from fairlead.api.core.pod.types import Pod
from fairlead.api.core.service.kind import Service
from fairlead.api.discovery.endpointslice.kind import EndpointSlice
from fairlead.api.networking.servicecidr.kind import ServiceCIDR
from fairlead.base.dataclass import replace
from fairlead.base.keys import key_of
from fairlead.cli.api import ApiError
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.loadbalancer.announcer.plan import announcers, desired_addresses, may_announce
from fairlead.net.family import of_name
from fairlead.proxy.inspection.owners import Owners, by_service
from fairlead.proxy.inspection.places import Destination, Objects
from fairlead.proxy.inspection.planned import plan_rules
from fairlead.proxy.inspection.ruleset import NodeText, parse_rules
from fairlead.proxy.inspection.wayout import WayOut
from fairlead.proxy.inspection.world import NodeRules, World
from fairlead.proxy.planning.nodes import node_views
from fairlead.proxy.planning.proxierconfig import cluster_proxier, with_ranges
from fairlead.proxy.settings.config import KEY, NAME, NAMESPACE, BadProxyConfig, ProxyConfig, parse_config
from fairlead.proxy.settings.modes import DEFAULT_MODE
from fairlead.proxy.sync.modes import cluster_pods
from fairlead.proxy.sync.setup import set_up
from fairlead.service.wellknown import HOST_URLS_ANNOTATION, ZONE_LABEL

T = TypeVar("T")

_LISTS: dict[str, tuple[str, Any]] = {
    "services": ("/api/v1/services", Service),
    "slices": ("/apis/discovery.k8s.io/v1/endpointslices", EndpointSlice),
    "pods": ("/api/v1/pods", Pod),
    "nodes": ("/api/v1/nodes", Node),
    "ranges": ("/apis/networking.k8s.io/v1/servicecidrs", ServiceCIDR),
}
_RELAYED = "the relay accepts the connection on this machine and makes another one, as follows"
_SETTINGS = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{NAME}"

OBJECT_PATHS = (*(path for path, _ in _LISTS.values()), _SETTINGS)
"""Paths that `fetch_objects` reads."""

Texts = Mapping[tuple[str, str], NodeText]
"""The kernels' rules by node and family (`IPv4` or `IPv6`)."""


class ClusterObjects(NamedTuple):
    """The API's objects that rules depend on."""

    services: dict[str, Service]
    slices: dict[str, list[EndpointSlice]]
    """Keys are the Service's `namespace/name`."""
    pods: dict[str, Pod]
    nodes: dict[str, Node]
    ranges: tuple[str, ...]
    """The ranges of cluster IPs by the API's ServiceCIDRs."""
    settings: ProxyConfig

    def named(self, domain: str) -> Objects:
        return Objects(self.services, self.slices, self.pods, domain)


class Reader(Protocol):
    """A way to the API."""

    def get(self, path: str) -> Any:
        """Returns the JSON tree at a path. Raises ApiError and OSError."""
        ...


def fetch_objects(api: Reader, config: ClusterConfig) -> ClusterObjects:
    """Reads the objects. Raises ApiError and OSError."""
    found = {name: _list(api, path, type_) for name, (path, type_) in _LISTS.items()}
    ranges = {cidr for one in found["ranges"] for cidr in one.spec.cidrs}
    return ClusterObjects(
        {key_of(one.metadata): one for one in found["services"]},
        by_service(found["slices"]),
        {key_of(one.metadata): one for one in found["pods"]},
        {one.metadata.name: one for one in found["nodes"]},
        tuple(sorted(ranges)),
        _settings(api, config),
    )


def make_world(
    config: ClusterConfig, objects: ClusterObjects, texts: Texts, *, host: Iterable[str] = (), nodes: Iterable[str] = ()
) -> World:
    """Returns the world. `host`: the host's addresses on its link; `nodes`: the nodes to include, empty for all."""
    network, chosen = config.network(), [*nodes] or config.node_names
    rules = [
        _node_rules(config, objects, name, family, texts.get((name, family)))
        for name in chosen
        for family in families(config)
    ]
    gateways = [str(network.gateway), *([str(network.six.gateway)] if network.six else [])]
    able = {name for name, node in objects.nodes.items() if may_announce(node)}
    desired = [
        address
        for key in sorted(objects.services)
        for address in desired_addresses(objects.services[key], objects.slices.get(key, ()))
    ]
    return World(
        nodes=tuple(rules),
        owners=Owners(objects.services, objects.slices, objects.pods.values()),
        services=tuple(dict.fromkeys([*map(str, network.service_cidrs), *objects.ranges])),
        gateway=config.node_names[0],
        announcers=announcers(desired, able),
        control=tuple(gateways),
        way_out=_way_out(config),
        host=tuple(host) or tuple(gateways),
    )


def _way_out(config: ClusterConfig) -> WayOut:
    from fairlead.relay.egress.rules import ranges_inside

    four, six = ranges_inside(config.network())
    refused = [one.strip() for one in config.egress_refuse.split(",") if one.strip()]
    return WayOut(config.egress, tuple(map(str, [*four, *six])), tuple(refused))


def relayed(config: ClusterConfig, objects: ClusterObjects, port: int, protocol: str) -> Destination | None:
    """Returns the addresses that the relay connects to for a port of the host's 127.0.0.1; None if no Service has the
    port there."""
    from fairlead.relay.plan import parse_urls, published_ports, targets

    network = config.network()
    nodes = {name: tuple(map(str, network.node_ips(index))) for index, name in enumerate(config.node_names, 1)}
    for key, service in sorted(objects.services.items()):
        urls = parse_urls(service.metadata.annotations.get(HOST_URLS_ANNOTATION, ""))
        routes = published_ports(service, objects.slices.get(key, ()), networks=(*network.fabrics, *network.balancers))
        for published, route in routes.items():
            own = urls.get(f"{published.port}/{published.protocol}") if published.service else published.port
            if (own, published.protocol.lower()) != (port, protocol):
                continue
            turns = 1 if route.always_same else len(route.nodes) or len(nodes)
            first = {targets(route, published.port, nodes=nodes, turn=turn, tries=1)[0] for turn in range(turns)}
            return Destination(f"127.0.0.1:{port} (Service {key})", tuple(sorted(first)), protocol, _RELAYED)
    return None


def families(config: ClusterConfig) -> tuple[str, ...]:
    """Returns the names of the cluster's families."""
    return {"ipv4": ("IPv4",), "ipv6": ("IPv6",)}.get(config.ip_family, ("IPv4", "IPv6"))


def _node_rules(
    config: ClusterConfig, objects: ClusterObjects, name: str, family_name: str, text: NodeText | None
) -> NodeRules:
    family = of_name("IPv6" if family_name == "IPv6" else "IPv4")
    network = config.network()
    views = node_views(name, network.node_ip(config.node_names.index(name) + 1), network)
    view = next(each for each in views if each.family is family)
    node = objects.nodes.get(name)
    view = replace(view, zone=node.metadata.labels.get(ZONE_LABEL, "") if node else "")
    base = with_ranges(cluster_proxier(network, family), objects.ranges)
    setup = set_up(objects.settings, base, view)
    mode = text.mode if text is not None and text.mode else setup.mode
    plan = plan_rules(
        mode, objects.services, objects.slices, node=view, proxier=setup.proxier, pods=_pods(config, family_name)
    )
    return NodeRules(view, plan, parse_rules(text, family) if text is not None else None)


def _pods(config: ClusterConfig, family_name: str) -> tuple[str, ...]:
    return tuple(block for block in cluster_pods(config.network()) if (":" in block) == (family_name == "IPv6"))


def _list(api: Reader, path: str, type_: type[T]) -> list[T]:
    # By way of JSON, because fields of the type `msgspec.Raw` need bytes.
    items = api.get(path)["items"]
    return msgspec.json.decode(msgspec.json.encode(items), type=list[type_])  # type: ignore[valid-type]


def _settings(api: Reader, config: ClusterConfig) -> ProxyConfig:
    """Returns the settings in force, or the last start's if the ConfigMap is absent or invalid."""
    default = ProxyConfig(mode=config.proxy_mode or DEFAULT_MODE)
    try:
        found = msgspec.convert(api.get(_SETTINGS), ConfigMap)
        return parse_config(found.data[KEY]) if KEY in found.data else default
    except ApiError as error:
        if error.code != 404:
            raise
        return default
    except BadProxyConfig:
        return default
