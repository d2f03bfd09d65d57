"""Says in plain words what the rules of the iptables mode do."""

from __future__ import annotations

import re
from typing import NamedTuple

from fairlead.net.iptables.model import target as target_of
from fairlead.proxy.inspection.owners import UNOWNED, Owner, Owners, describe
from fairlead.proxy.iptables import rules

_DESTINATION = re.compile(r"-d (\S+?)(?:/32|/128)? ")
_PORT = re.compile(r"-p (\w+) .*--dport (\d+)")
_SOURCE = re.compile(r"-s (\S+?)(?:/32|/128)? ")
_SHARE = re.compile(r"--probability ([\d.]+)")
_SECONDS = re.compile(r"--seconds (\d+)")

_FIXED: dict[str, str] = {
    rules.SERVICES: "rules of Services by their addresses",
    rules.NODE_PORTS: "rules of node ports",
    rules.EXTERNAL: "refuses addresses and node ports without endpoints",
    rules.POSTROUTING: "masquerades marked packets",
    rules.MARK_MASQ: "marks packets for masquerading",
    rules.FORWARD: "accepts packets of known connections, drops unknown ones",
    rules.FIREWALL: "protects 127.0.0.1 from other hosts",
    rules.PROXY_FIREWALL: "drops clients outside a Service's source ranges",
    rules.CANARY: "exists so that a deleted table is noticed",
    rules.UNCLAIMED: "refuses addresses and ports of the Service range that no Service has",
    rules.REFUSE: "refuses at once; pings go unanswered",
    rules.OUTSIDE: "marks clients from outside for masquerading",
}
_KINDS = {
    "SVC": "draws one of all endpoints",
    "SVL": "draws one of the endpoints on this node",
    "EXT": "takes clients of other addresses than the cluster IP",
    "FW": "lets in the clients in the Service's source ranges",
    "SEP": "sends to one endpoint",
}


class Annotation(NamedTuple):
    words: str
    owner: Owner = UNOWNED


def chain_words(name: str, owners: Owners) -> Annotation:
    kind, owner = owners.chain(name)
    if not kind:
        stale = re.fullmatch(r"KUBE-(SVC|SVL|EXT|FW|SEP)-\w+", name)
        return Annotation(_FIXED.get(name, "a chain of a former Service or endpoint" if stale else ""))
    about = f"{owner.service}, port {owner.port}"
    end = f": {describe(owner)}" if kind == "SEP" else ""
    return Annotation(f"{_KINDS[kind]} ({about}){end}", owner)


def rule_words(chain: str, rule: str, owners: Owners) -> Annotation:
    """Returns the words for a rule, and the objects that it comes from."""
    kind, owner = owners.chain(chain)
    goal = target_of(rule)
    goal_kind, goal_owner = owners.chain(goal)
    if kind:
        return _of_service(kind, owner, rule, goal, goal_kind, goal_owner)
    place, port = _DESTINATION.search(rule), _PORT.search(rule)
    if chain in (rules.SERVICES, rules.EXTERNAL, rules.PROXY_FIREWALL, rules.NODE_PORTS) and port:
        ip = place[1] if place else ""
        found = owners.frontend(port[1], "" if ip.startswith("127.0.0.0") else ip, int(port[2]))
        return Annotation(_frontend(found, ip, port, goal, goal_kind), found)
    if chain == rules.UNCLAIMED and place:
        service = owners.balanced(place[1])
        if service:
            return Annotation(f"refuses other ports of {place[1]}, load balancer IP of {service}", Owner(service))
        return Annotation("refuses addresses and ports of the Service range that no Service has")
    return Annotation(_fixed(chain, rule, goal))


def _frontend(owner: Owner, ip: str, port: re.Match[str], goal: str, goal_kind: str) -> str:
    host = f"{ip}:{port[2]}" if ip and ":" not in ip else f"[{ip}]:{port[2]}" if ip else f"node port {port[2]}"
    about = f" ({owner.kind} of {owner.service}, port {owner.port})" if owner.service else ""
    there = f"{port[1].upper()} to {host}{about}"
    if goal == "REJECT":
        return f"{there} is refused: no endpoint serves"
    if goal == "DROP":
        return f"{there} is dropped"
    if goal == "ACCEPT":
        return f"{there} is accepted: health check of a load balancer"
    return f"{there}: {_KINDS.get(goal_kind, 'goes on in that chain')}"


def _of_service(kind: str, owner: Owner, rule: str, goal: str, goal_kind: str, goal_owner: Owner) -> Annotation:
    source = _SOURCE.search(rule)
    if kind == "SEP":
        if goal == rules.MARK_MASQ:
            return Annotation("marks the endpoint itself for masquerading, if it reaches itself", owner)
        remember = " and remembers the client" if "--set" in rule else ""
        return Annotation(f"translates the address to {describe(owner)}{remember}", owner)
    if goal_kind == "SEP":
        if seconds := _SECONDS.search(rule):
            return Annotation(f"a client of the last {seconds[1]} s goes back to {describe(goal_owner)}", goal_owner)
        share = _SHARE.search(rule)
        odds = f"with the probability {float(share[1]):.4g}" if share else "otherwise"
        return Annotation(f"{odds}: {describe(goal_owner)}", goal_owner)
    if goal == rules.MARK_MASQ:
        who = "the node's own packets" if "--src-type LOCAL" in rule else "clients"
        return Annotation(f"marks {who} for masquerading", owner)
    if goal == rules.OUTSIDE:
        return Annotation("marks clients from outside for masquerading", owner)
    if goal_kind == "EXT" and source:
        return Annotation(f"allows clients in {source[1]}", owner)
    if goal_kind:
        who = f"clients in {source[1]}: " if source else "the node's own packets: " if "--src-type" in rule else ""
        return Annotation(f"{who}{_KINDS[goal_kind]}", owner)
    return Annotation("other clients are dropped later" if not goal else "goes on", owner)


def _fixed(chain: str, rule: str, goal: str) -> str:
    if goal in _FIXED:
        return "goes on with node ports, if the address is the node's own" if goal == rules.NODE_PORTS else _FIXED[goal]
    if chain == rules.POSTROUTING:
        return {
            "RETURN": "leaves packets without the mark alone",
            "MARK": "removes the mark",
            "MASQUERADE": "replaces the source by the node's address",
        }.get(goal, "")
    if chain == rules.MARK_MASQ:
        return "marks the packet for masquerading"
    if chain == rules.REFUSE:
        if goal == "DROP":
            return "drops pings: no endpoint can answer for all"
        return "refuses TCP by a reset" if "tcp-reset" in rule else "refuses by an ICMP error"
    if chain == rules.FORWARD:
        return (
            "drops packets of unknown connections" if goal == "DROP" else "accepts packets of the proxy's connections"
        )
    if chain == rules.OUTSIDE:
        return "clients inside are not masqueraded"
    if chain == rules.FIREWALL:
        return "drops packets to 127.0.0.1 from other hosts"
    return "" if rules.is_ours(chain) else "not a rule of the proxy"
