"""`fairlead why`: says why a Service, or what stands around it, does not work."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fairlead.api.core.service.predicates import is_external_name
from fairlead.base.texts import LANGUAGES, Catalogue, catalogue, language
from fairlead.cli.api import Api
from fairlead.cmd.cluster import config as settings
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.cluster.installation import upgraded
from fairlead.cmd.cluster.lookup import lost_settings, running
from fairlead.cmd.cluster.paths import read_domain
from fairlead.cmd.errors import CommandError, UsageError
from fairlead.cmd.objectnames import add_namespace, checked, dns_name
from fairlead.cmd.program import as_typed
from fairlead.cmd.wiring.clusterapi import ask, connect
from fairlead.cmd.wiring.podsockets import listening_sockets

if TYPE_CHECKING:
    from fairlead.explain.diagnose import Diagnosis
    from fairlead.explain.snapshot import Snapshot
    from fairlead.explain.tried import Route, Tried

KINDS = {
    "svc": "svc", "service": "svc", "services": "svc",
    "pod": "pod", "pods": "pod", "po": "pod",
    "deploy": "deploy", "deployment": "deploy", "deployments": "deploy",
    "sts": "sts", "statefulset": "sts", "statefulsets": "sts",
    "ds": "ds", "daemonset": "ds", "daemonsets": "ds",
    "rs": "rs", "replicaset": "rs", "replicasets": "rs",
    "job": "job", "jobs": "job",
    "cj": "cronjob", "cronjob": "cronjob", "cronjobs": "cronjob",
    "ing": "ingress", "ingress": "ingress", "ingresses": "ingress",
}  # fmt: skip
"""The kinds that can be explained, by the words that kubectl takes for them."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "subject",
        nargs="*",
        metavar="svc/NAME",
        help="Service to explain; also pod/NAME, deploy/NAME, sts/NAME, ds/NAME, rs/NAME, job/NAME, cronjob/NAME, "
        "ingress/NAME, or dns NAME",
    )
    add_namespace(parser, "the object")
    parser.add_argument("--port", default="", help="number or name of the Service's port (default: all ports)")
    parser.add_argument(
        "--from",
        dest="sender",
        default="",
        metavar="PLACE",
        help="place from which a connection is tried: pod/NAME, node/NAME or host (default: the first node)",
    )
    parser.add_argument("--passive", action="store_true", help="try no connection and ask no DNS server; only read")
    parser.add_argument(
        "--http", action="store_true", help="also send an HTTP request for / to each TCP port, and show the status line"
    )
    parser.add_argument("-o", "--output", choices=["json"], help="output format: json, in English (default: text)")
    parser.add_argument(
        "--language", choices=LANGUAGES, help="language of the text (default: by LC_ALL, LC_MESSAGES, LANG)"
    )
    parser.epilog = "Exit code: 0 the object works, 1 a cause was found, 2 the checks cannot tell."


def run(args: argparse.Namespace) -> int:
    words = args.subject
    if args.passive and (args.http or args.sender):
        flag = "--http" if args.http else "--from"
        raise UsageError(f"{flag} is about what is tried, and --passive tries nothing: omit one of them")
    if args.http and args.sender == "host":
        raise UsageError("--http sends requests from Pods and nodes, not from the host: give --from node/NAME")
    if words and words[0] == "dns":
        _refuse(args, ("http", "passive", "port"), "dns NAME")
        return _run_dns(args, words[1:])
    if len(words) != 1:
        raise UsageError("name one object, e.g. fairlead why svc/web, or fairlead why dns NAME")
    kind, name = _subject(_without_port(words[0], args))
    if kind == "svc" and "." in name:  # a name as in DNS
        name, _, rest = name.partition(".")
        args.namespace = rest.partition(".")[0]
    if kind != "svc":
        _refuse(args, ("http", "sender", "port"), words[0])
    try:
        diagnosis = Explainer(args.name, args.namespace).explain(kind, name, args)
    except UsageError:
        raise
    except CommandError as e:
        raise CommandError(str(e), code=2) from e
    _show(diagnosis, args)
    return diagnosis.exit_code


def _refuse(args: argparse.Namespace, dests: Sequence[str], subject: str) -> None:
    """Raises UsageError for a flag without effect for the subject."""
    for dest in dests:
        if getattr(args, dest):
            flag = {"sender": "from"}.get(dest, dest)
            raise UsageError(f"--{flag} has no effect for {subject}: omit it, or name a Service")


def _show(diagnosis: Diagnosis, args: argparse.Namespace) -> None:
    from fairlead.explain.report import as_tree, render

    if args.output:
        print(json.dumps(as_tree(diagnosis), indent=2, ensure_ascii=False))
    else:
        print(as_typed(render(diagnosis, _messages(args))))


def _messages(args: argparse.Namespace) -> Catalogue:
    return catalogue("fairlead.explain", args.language or language(os.environ))


def _without_port(text: str, args: argparse.Namespace) -> str:
    """Returns the object of a URL or of a name with a port, such as `http://web:80/` or `svc/web:http`; the port goes
    into the arguments."""
    shown = text.partition("://")[2].partition("/")[0] if "://" in text else text
    shown, _, port = shown.partition(":")
    args.port = args.port or port
    return shown


def _subject(text: str) -> tuple[str, str]:
    kind, slash, name = text.rpartition("/")
    known = KINDS.get(kind.lower().partition(".")[0]) if slash else "svc"  # also as in deployment.apps/web
    if not name or known is None:
        raise UsageError(f'invalid object "{text}": expected svc/NAME, pod/NAME, deploy/NAME, ingress/NAME, ...')
    return known, checked(name, "name")


class Explainer:
    """Reads one cluster, and tries it. The constructor raises CommandError if the cluster does not run."""

    def __init__(self, cluster: str, namespace: str) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._paths, self._run = running(cluster)
        if self._run.installation.is_replaced():
            print(as_typed(upgraded(cluster)), file=sys.stderr)
        config = settings.load(self._paths)
        if config is None:
            raise lost_settings(cluster, self._paths)
        self._config: ClusterConfig = config
        self._api: Api = connect(cluster)[0]

    def explain(self, kind: str, name: str, args: argparse.Namespace) -> Diagnosis:
        """Returns the diagnosis. Raises CommandError, UsageError."""
        from fairlead.explain.diagnose import diagnose
        from fairlead.explain.reading import Observed, assemble, extended, further_lists, lists, observed_in

        listed = self._fetch(lists(name, self._namespace, kind))
        snapshot = assemble(name, self._namespace, listed, kind=kind, port=args.port)
        if further := further_lists(snapshot):
            snapshot = extended(snapshot, self._fetch(further))
        sockets = listening_sockets(self._run.pid, _addresses(snapshot))
        known = Observed(sockets, egress=self._config.egress, has_relay=self._has_relay())
        if kind != "svc" or args.passive or snapshot.service is None:
            return diagnose(observed_in(snapshot, known))
        tried = self._try(observed_in(snapshot, known), args.sender, http=args.http)
        found = diagnose(observed_in(snapshot, known._replace(tried=tried)))
        if not args.sender and not found.is_unexplained:
            return found
        tried = tried._replace(routes=self._routes(snapshot, tried, args))
        return diagnose(observed_in(snapshot, known._replace(tried=tried)))

    def _has_relay(self) -> bool:
        return any(one.name == "relay" for one in self._run.components)

    def _fetch(self, paths: Mapping[str, str]) -> dict[str, bytes]:
        return {key: ask(lambda path=path: self._api.raw(path)) for key, path in paths.items()}  # type: ignore[misc]

    def _try(self, snapshot: Snapshot, sender: str, *, http: bool) -> Tried:
        from fairlead.cmd.inspection.trying import find_place, try_service
        from fairlead.explain.requests import requests_to

        place = find_place(sender, self._run, snapshot.pods)
        domain = read_domain(self._paths.domain)
        requests = requests_to(snapshot, http=http, datagrams=bool(sender))
        return try_service(snapshot, place, self._run, self._config, domain=domain, requests=requests)

    def _routes(self, snapshot: Snapshot, tried: Tried, args: argparse.Namespace) -> tuple[Route, ...]:
        """Returns the ways by the rules in the kernel, of the first ports."""
        from fairlead.cmd.inspection.inspecting import Inspector
        from fairlead.cmd.inspection.routing import routes

        if is_external_name(snapshot.found.spec):
            return ()
        ports = [port for port in snapshot.ports if (port.protocol or "TCP") in ("TCP", "UDP")][:4]
        return routes(Inspector(self._cluster), snapshot, args.sender or f"node/{tried.sender}", ports)


def _addresses(snapshot: Snapshot) -> dict[str, list[str]]:
    """Returns the addresses of the Pods whose sockets count, by name."""
    pods = snapshot.selected if snapshot.service is not None or snapshot.chosen is not None else []
    return {pod.metadata.name: [one.ip for one in pod.status.podIPs] for pod in pods}


def _run_dns(args: argparse.Namespace, names: list[str]) -> int:
    if len(names) != 1:
        raise UsageError("name one DNS name, e.g. fairlead why dns web.default --from pod/client")
    from fairlead.cmd.inspection.resolving import as_tree, render, resolve

    try:
        found = resolve(args.name, dns_name(names[0]), args.sender, args.namespace)
    except UsageError:
        raise
    except CommandError as e:
        raise CommandError(str(e), code=2) from e
    if args.output:
        print(json.dumps(as_tree(found), indent=2, ensure_ascii=False))
    else:
        print(as_typed(render(found, _messages(args))))
    return found.exit_code
