"""The NetworkPolicy kind. The API stores and checks policies; no component filters packets yet."""

import ipaddress
from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.meta.columns import AGE, NAME, or_none, render_selector
from fairlead.api.meta.rules import label_selector, port_number
from fairlead.api.meta.types import Int32, IntOrString, LabelSelector, Object, Record, Strings
from fairlead.machinery.kinds.kind import Atomic, Column, Doc, Strategy
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, forbidden, invalid, not_supported, required

_PROTOCOLS = ("TCP", "UDP", "SCTP")
_TYPES = ("Ingress", "Egress")
_PORT_DOC = Doc("Port number, or name of a container port; all ports if absent.")


class NetworkPolicyPort(Record):
    """Port or range of ports that a network policy permits."""

    endPort: (
        Annotated[Int32, Doc("Last port of a range that starts at `port`; requires a number in `port`.")] | None
    ) = None
    port: Annotated[IntOrString, _PORT_DOC] | None = None
    protocol: Annotated[str, Doc("Transport protocol that the rule matches: TCP (default), UDP or SCTP.")] | None = None


class IPBlock(Record):
    """Range of IP addresses from which smaller ranges can be excluded."""

    cidr: Annotated[str, Doc("Address range in CIDR form that the rule matches.")] = ""
    except_: Annotated[Strings, Doc("Address ranges within `cidr` that the rule does not match.")] = msgspec.field(
        name="except", default=[]
    )


class NetworkPolicyPeer(Record):
    """Pods or addresses that selected pods may exchange traffic with."""

    ipBlock: Annotated[IPBlock, Doc("Address range of the peers; mutually exclusive with the selectors.")] | None = None
    namespaceSelector: (
        Annotated[LabelSelector, Atomic(), Doc("Label selector of the peers' namespaces; all namespaces if empty.")]
        | None
    ) = None
    podSelector: (
        Annotated[
            LabelSelector,
            Atomic(),
            Doc(
                "Label selector of the peer pods, in the policy's namespace or in those that `namespaceSelector` "
                "selects."
            ),
        ]
        | None
    ) = None


class NetworkPolicyIngressRule(Record):
    """Sources and ports of traffic that the selected pods may receive."""

    from_: Annotated[
        list[NetworkPolicyPeer], Atomic(), Doc("Sources from which traffic is allowed; all sources if empty.")
    ] = msgspec.field(name="from", default=[])
    ports: Annotated[
        list[NetworkPolicyPort], Atomic(), Doc("Ports on which traffic is allowed; all ports if empty.")
    ] = []


class NetworkPolicyEgressRule(Record):
    """Destinations and ports of traffic that the selected pods may send."""

    ports: Annotated[
        list[NetworkPolicyPort], Atomic(), Doc("Destination ports to which traffic is allowed; all ports if empty.")
    ] = []
    to: Annotated[
        list[NetworkPolicyPeer], Atomic(), Doc("Destinations to which traffic is allowed; all destinations if empty.")
    ] = []


class NetworkPolicySpec(Record):
    """Selected pods of a network policy, and the traffic permitted to and from them."""

    egress: Annotated[
        list[NetworkPolicyEgressRule],
        Atomic(),
        Doc("Rules for traffic from the selected pods; traffic that matches any rule is allowed."),
    ] = []
    ingress: Annotated[
        list[NetworkPolicyIngressRule],
        Atomic(),
        Doc("Rules for traffic to the selected pods; traffic that matches any rule is allowed."),
    ] = []
    podSelector: Annotated[
        LabelSelector,
        Atomic(),
        Doc("Label selector of the pods that the policy applies to; all pods of the namespace if empty."),
    ] = msgspec.field(default_factory=LabelSelector)
    policyTypes: Annotated[
        Strings,
        Doc(
            "Directions that the policy restricts: Ingress, Egress or both; default Ingress, and Egress if "
            "there are egress rules."
        ),
    ] = []


class NetworkPolicy(Object):
    """Rules for the traffic that a group of pods may receive and send; stored, but not enforced by Fairlead."""

    spec: Annotated[NetworkPolicySpec, Doc("Desired state of the policy: selected pods and rules.")] = msgspec.field(
        default_factory=NetworkPolicySpec
    )


def _ports(policy: NetworkPolicy) -> Iterator[NetworkPolicyPort]:
    for incoming in policy.spec.ingress:
        yield from incoming.ports
    for outgoing in policy.spec.egress:
        yield from outgoing.ports


def _default(policy: NetworkPolicy) -> NetworkPolicy:
    for port in _ports(policy):
        port.protocol = port.protocol or "TCP"
    if not policy.spec.policyTypes:
        policy.spec.policyTypes = ["Ingress", "Egress"] if policy.spec.egress else ["Ingress"]
    return policy


def _rules(policy: NetworkPolicy) -> Iterator[FieldError]:
    spec = policy.spec
    yield from label_selector(spec.podSelector, "spec.podSelector")
    for i, incoming in enumerate(spec.ingress):
        yield from _rule_errors(incoming.ports, incoming.from_, f"spec.ingress[{i}]", "from")
    for i, outgoing in enumerate(spec.egress):
        yield from _rule_errors(outgoing.ports, outgoing.to, f"spec.egress[{i}]", "to")
    if len(spec.policyTypes) > len(_TYPES):
        yield invalid("spec.policyTypes", spec.policyTypes, "may not specify more than two policyTypes")
        return
    for i, type in enumerate(spec.policyTypes):
        if type not in _TYPES:
            yield not_supported(f"spec.policyTypes[{i}]", type, _TYPES)


def _rule_errors(
    ports: list[NetworkPolicyPort], peers: list[NetworkPolicyPeer], path: str, side: str
) -> Iterator[FieldError]:
    for i, port in enumerate(ports):
        yield from _port_errors(port, f"{path}.ports[{i}]")
    for i, peer in enumerate(peers):
        yield from _peer_errors(peer, f"{path}.{side}[{i}]")


def _port_errors(port: NetworkPolicyPort, path: str) -> Iterator[FieldError]:
    if port.protocol is not None and port.protocol not in _PROTOCOLS:
        yield not_supported(f"{path}.protocol", port.protocol, _PROTOCOLS)
    end = port.endPort
    match port.port:
        case None:
            if end is not None:
                yield invalid(f"{path}.endPort", end, "may not be specified when `port` is not specified")
        case int(number):
            yield from port_number(number, f"{path}.port")
            if end is not None:
                if end < number:
                    yield invalid(f"{path}.endPort", end, "must be greater than or equal to `port`")
                yield from port_number(end, f"{path}.endPort")
        case name:
            if end is not None:
                yield invalid(f"{path}.endPort", end, "may not be specified when `port` is non-numeric")
            for text in names.port_name(name):
                yield invalid(f"{path}.port", name, text)


def _peer_errors(peer: NetworkPolicyPeer, path: str) -> Iterator[FieldError]:
    selectors = {"podSelector": peer.podSelector, "namespaceSelector": peer.namespaceSelector}
    for name, selector in selectors.items():
        if selector is not None:
            yield from label_selector(selector, f"{path}.{name}")
    selects = peer.podSelector is not None or peer.namespaceSelector is not None
    if peer.ipBlock is not None:
        yield from _block_errors(peer.ipBlock, f"{path}.ipBlock")
        if selects:
            yield forbidden(path, "may not specify both ipBlock and another peer")
    elif not selects:
        yield required(path, "must specify a peer")


def _block_errors(block: IPBlock, path: str) -> Iterator[FieldError]:
    if not block.cidr:
        yield required(f"{path}.cidr")
        return
    texts = names.cidr(block.cidr)
    for text in texts:
        yield invalid(f"{path}.cidr", block.cidr, text)
    if texts:
        return
    whole = ipaddress.ip_interface(block.cidr).network
    for i, cidr in enumerate(block.except_):
        where = f"{path}.except[{i}]"
        if texts := names.cidr(cidr):
            yield from (invalid(where, cidr, text) for text in texts)
            continue
        part = ipaddress.ip_interface(cidr).network
        inside = part.version == whole.version and part.network_address in whole
        if not inside or whole.prefixlen >= part.prefixlen:
            yield invalid(where, cidr, "must be a strict subset of `cidr`")


STRATEGY: Strategy[NetworkPolicy] = Strategy(
    type=NetworkPolicy,
    columns=(
        NAME,
        Column(
            "Pod-Selector",
            lambda policy, _: or_none(render_selector(policy.spec.podSelector)),
            doc="Label selector of the pods that the policy applies to.",
        ),
        AGE,
    ),
    default=_default,
    rules=_rules,
)
