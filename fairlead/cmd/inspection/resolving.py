"""`fairlead why dns`: walks the search path of a place query by query, as the C library does (resolv.conf(5))."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fairlead.base.dataclass import dataclass
from fairlead.base.texts import ENGLISH, Catalogue, Text, text
from fairlead.cli.api import Api, Tree
from fairlead.cmd.cluster import config as settings
from fairlead.cmd.cluster.lookup import running
from fairlead.cmd.cluster.paths import read_domain
from fairlead.cmd.errors import CommandError, UsageError
from fairlead.cmd.inspection.asking import AAAA, A, Answered, ask
from fairlead.cmd.inspection.trying import Place, find_place
from fairlead.cmd.nodes.innodes import in_namespaces
from fairlead.cmd.wiring.clusterapi import ask as request
from fairlead.cmd.wiring.clusterapi import connect
from fairlead.explain.labels import like
from fairlead.explain.outcomes import ANSWERED
from fairlead.explain.resolver import ResolvConf, candidates, parse
from fairlead.explain.words import Message, listed, outcome_of

_NEAR = 0.7
_TYPES = {A: "A", AAAA: "AAAA"}


class Question(NamedTuple):
    """One query and its answer."""

    name: str
    type: str
    server: str
    answer: Answered

    @property
    def source(self) -> Text:
        """Returns who answered: the cluster's own zone, or a server outside that was asked."""
        if self.answer.outcome != ANSWERED:
            return text("nothing")
        return text("the cluster's zone") if self.answer.authoritative else text("forwarded to a server outside")


@dataclass(frozen=True, slots=True)
class Resolution:
    name: str
    place: str
    conf: ResolvConf
    questions: tuple[Question, ...]
    cause: Message = ""
    """Empty if the name resolves."""
    cure: str = ""

    @property
    def exit_code(self) -> int:
        return 1 if self.cause else 0


def resolve(cluster: str, name: str, sender: str, namespace: str) -> Resolution:
    """Walks the search path of a Pod or node. Raises CommandError, UsageError."""
    if sender == "host":
        raise UsageError("--from host: this machine's resolver does not know the cluster's names; use node/NAME")
    paths, run = running(cluster)
    config = settings.load(paths)
    api = connect(cluster)[0]
    pods = _pods(api, namespace) if sender.startswith(("pod", "po/")) else []
    place = find_place(sender, run, pods)
    domain = read_domain(paths.domain)
    server = config.dns_ip if config is not None else ""
    conf = _conf(place, sender, namespace, domain, server)
    if not conf.servers:
        raise CommandError(f"{place.label} has no name server in its resolv.conf")
    names = candidates(name, conf)
    try:
        answers = in_namespaces({"": place.pid}, lambda _: [list(_plain(one)) for one in _walk(names, conf)])[""]
    except ValueError as e:
        raise UsageError(f'invalid name "{name}": {e}') from e
    questions = tuple(_question(one) for one in answers)
    if any(one.answer.addresses for one in questions):
        return Resolution(name, place.label, conf, questions)
    services: list[Tree] = request(lambda: api.get("/api/v1/services")["items"])
    known = [(one["metadata"]["name"], one["metadata"]["namespace"]) for one in services]
    asked = Asked(name, namespace, place.label, conf, server, domain)
    cause, cure = misused(asked, known) or _cause(
        known, name, namespace, questions, upstream=config.upstream if config is not None else ""
    )
    return Resolution(name, place.label, conf, questions, cause, cure)


def _walk(names: Sequence[str], conf: ResolvConf) -> Iterator[Question]:
    """Yields the questions until one has addresses, in the present network namespace."""
    for name in names:
        for kind in (A, AAAA):
            for server in conf.servers:
                found = Question(name, _TYPES[kind], server, ask(name, server, kind=kind))
                yield found
                if found.answer.outcome == ANSWERED:
                    break
            if found.answer.addresses:
                return
            if found.answer.rcode == "NXDOMAIN":
                break


def _plain(one: Question) -> tuple[Any, ...]:
    return one.name, one.type, one.server, list(one.answer)


def _question(fields: Sequence[Any]) -> Question:
    name, kind, server, (outcome, rcode, aliases, addresses, authoritative) = fields
    return Question(name, kind, server, Answered(outcome, rcode, tuple(aliases), tuple(addresses), authoritative))


def _conf(place: Place, sender: str, namespace: str, domain: str, server: str) -> ResolvConf:
    """Returns the place's resolv.conf: for a node that of `fairlead shell`, without a place that of a new Pod."""
    searches = (f"{namespace}.svc.{domain}", f"svc.{domain}", domain)
    if not sender:
        return ResolvConf(
            (server,), searches, 5, text("dnsPolicy ClusterFirst in namespace {namespace}", namespace=namespace)
        )
    if place.label.startswith("pod/"):
        try:
            return parse(
                Path(f"/proc/{place.pid}/root/etc/resolv.conf").read_text(errors="replace"),
                text("the Pod's /etc/resolv.conf"),
            )
        except OSError:  # another user's process
            return ResolvConf((server,), searches, 5, "dnsPolicy ClusterFirst")
    return ResolvConf((server,), (f"svc.{domain}", domain), 5, text("the resolv.conf of `fairlead shell`"))


class _Named(NamedTuple):
    name: str


class _Address(NamedTuple):
    ip: str


class _Status(NamedTuple):
    podIPs: list[_Address]


class _Pod(NamedTuple):
    """A Pod as `find_place` reads it."""

    metadata: _Named
    status: _Status


def _pods(api: Api, namespace: str) -> list[_Pod]:
    trees: list[Tree] = request(lambda: api.get(f"/api/v1/namespaces/{namespace}/pods")["items"])
    return [
        _Pod(
            _Named(one["metadata"]["name"]),
            _Status([_Address(ip["ip"]) for ip in one.get("status", {}).get("podIPs", ())]),
        )
        for one in trees
    ]


class Asked(NamedTuple):
    """A name that did not resolve, and by which settings."""

    name: str
    namespace: str
    place: str
    conf: ResolvConf
    server: str
    """Address of the cluster's DNS; empty if it is not known."""
    domain: str


def misused(asked: Asked, known: Sequence[tuple[str, str]]) -> tuple[Message, str] | None:
    """Returns the cause and cure if the name, or the Pod's DNS policy, is not what Services' names need."""
    name, conf = asked.name, asked.conf
    host = name.partition("://")[2].partition("/")[0] or name
    host = host.partition(":")[0]
    if host != name:
        cause = text("{name} is a URL or has a port, and a name has neither: it is {host}", name=name, host=host)
        return cause, f"fairlead why dns {host}"
    labels = name.rstrip(".").lower().split(".")
    there = labels[1] if len(labels) > 1 else asked.namespace
    if (labels[0], there) not in known:
        return None
    full = f"{labels[0]}.{there}.svc.{asked.domain}"
    if asked.server and asked.server not in conf.servers:
        return (
            text(
                "{place} asks {servers} and not the cluster's DNS {dns}: its dnsPolicy is Default, or it has "
                "hostNetwork without dnsPolicy ClusterFirstWithHostNet",
                place=asked.place,
                servers=", ".join(conf.servers),
                dns=asked.server,
            ),
            f"kubectl get {asked.place} -n {asked.namespace} -o jsonpath='{{.spec.dnsPolicy}} {{.spec.hostNetwork}}'",
        )
    if len(labels) > 2 and labels[2] != "svc":
        return text("{name} lacks svc: the name is {full}", name=name, full=full), f"fairlead why dns {full}"
    if not conf.searches and len(labels) < 5:
        return (
            text("{place} has no search path, so only the full name resolves: {full}", place=asked.place, full=full),
            f"fairlead why dns {full}",
        )
    return None


def _cause(
    known: Sequence[tuple[str, str]], name: str, namespace: str, questions: Sequence[Question], *, upstream: str
) -> tuple[Message, str]:
    """Returns why the name does not resolve, and the cure."""
    silent = next((one for one in questions if one.answer.outcome != ANSWERED), None)
    if silent is not None and not any(one.answer.outcome == ANSWERED for one in questions):
        return text(
            "{server} does not answer ({outcome})", server=silent.server, outcome=outcome_of(silent.answer.outcome)
        ), "kubectl get pods -n kube-system"
    alias = next((one for one in questions if one.answer.aliases), None)
    if alias is not None:
        target = alias.answer.aliases[-1]
        return text(
            "{name} is an alias for {target}, which does not resolve", name=alias.name, target=target
        ), f"fairlead why dns {target}"
    if (found := _of_services(known, name, namespace, questions)) is not None:
        return found
    failed = next((one.answer.rcode for one in questions if one.answer.rcode in ("REFUSED", "SERVFAIL")), "")
    if failed and upstream == "none":
        return text("names outside of the cluster are refused, because it was started with --upstream none"), (
            "fairlead down && fairlead up --detach --upstream host"
        )
    if failed:
        return text(
            "the servers for names outside of the cluster fail ({failed})", failed=failed
        ), "fairlead up --upstream SERVERS"
    return text("no server knows the name"), "kubectl get svc --all-namespaces"


def _of_services(
    known: Sequence[tuple[str, str]], name: str, namespace: str, questions: Sequence[Question]
) -> tuple[Message, str] | None:
    """Returns the cause if a Service of this name, or of a similar one, exists; None otherwise."""
    labels = name.rstrip(".").lower().split(".")
    there = labels[1] if len(labels) > 1 else namespace
    elsewhere = sorted(space for service, space in known if service == labels[0] and space != there)
    if elsewhere and len(labels) < 3 and (labels[0], there) not in known:
        meant = f"{labels[0]}.{elsewhere[0]}"
        return text(
            "namespace {namespace} has Service {service}: its name is {meant}",
            namespace=elsewhere[0],
            service=labels[0],
            meant=meant,
        ), f"fairlead why dns {meant}"
    if (
        (labels[0], there) in known
        and len(labels) == 1
        and not any(one.name.startswith(f"{name}.{there}.") for one in questions)
    ):
        return text(
            "the short name {name} is for Pods of namespace {namespace}; others use {name}.{namespace}",
            name=name,
            namespace=there,
        ), (f"fairlead why dns {name}.{there}")
    if (labels[0], there) in known:
        return (
            text(
                "Service {service} of namespace {namespace} has no address in DNS: it is headless without ready Pods, "
                "or an alias that does not resolve",
                service=labels[0],
                namespace=there,
            ),
            f"fairlead why svc/{labels[0]} -n {there}",
        )
    near = max((service for service, space in known if space == there), key=lambda n: like(n, labels[0]), default="")
    if near and like(near, labels[0]) >= _NEAR:
        return text(
            'there is no Service "{service}" in namespace {namespace}; did you mean "{near}"?',
            service=labels[0],
            namespace=there,
            near=near,
        ), ""
    return None


def render(found: Resolution, messages: Catalogue | None = None) -> str:
    """Returns the text for a terminal: the verdict, then each query; in the catalogue's language (default: English)."""
    lines = [_verdict(found)]
    if found.cause and found.cure:
        lines.append(text("  cure: {cure}", cure=found.cure))
    conf = found.conf
    searched = text(
        "search path by {source}: {searches} (ndots {ndots})",
        source=conf.read_from,
        searches=" ".join(conf.searches),
        ndots=conf.ndots,
    )
    lines += [Text(""), searched, *(_line(number, one) for number, one in enumerate(found.questions, 1))]
    return "\n".join(map((messages or Catalogue(ENGLISH, {})).render, lines))


def _verdict(found: Resolution) -> Text:
    if found.cause:
        return text(
            "{name} does not resolve from {place}: {cause}", name=found.name, place=found.place, cause=found.cause
        )
    last = found.questions[-1]
    return text(
        "{name} resolves from {place} to {addresses}, as {full} (query {number})",
        name=found.name,
        place=found.place,
        addresses=", ".join(last.answer.addresses),
        full=last.name,
        number=len(found.questions),
    )


def _line(number: int, one: Question) -> Text:
    answer = one.answer
    mark = "✓" if answer.addresses else "✗"
    shown = answer.rcode if answer.outcome == ANSWERED else outcome_of(answer.outcome)
    return text(
        "{mark} {number}. {name} {type}, asked of {server}: {shown}{results} ({source})",
        mark=mark,
        number=number,
        name=one.name,
        type=one.type,
        server=one.server,
        shown=shown,
        results=_results(answer),
        source=one.source,
    )


def _results(answer: Answered) -> Message:
    addresses = ", ".join(answer.addresses)
    if not answer.aliases:
        return f" {addresses}" if addresses else ""
    aliases: Message = answer.aliases[0]
    for one in answer.aliases[1:]:
        aliases = text("{alias}, alias of {target}", alias=aliases, target=one)
    return text(" alias of {aliases}", aliases=listed([aliases, addresses]) if addresses else aliases)


def as_tree(found: Resolution) -> dict[str, Any]:
    """Returns the tree for `-o json`, in English."""
    return {
        "name": found.name,
        "from": found.place,
        "resolves": not found.cause,
        "cause": str(found.cause),
        "cure": found.cure,
        "search": list(found.conf.searches),
        "ndots": found.conf.ndots,
        "queries": [
            {
                "name": one.name,
                "type": one.type,
                "server": one.server,
                "outcome": one.answer.outcome,
                "rcode": one.answer.rcode,
                "aliases": list(one.answer.aliases),
                "addresses": list(one.answer.addresses),
                "answeredBy": str(one.source),
            }
            for one in found.questions
        ],
    }
