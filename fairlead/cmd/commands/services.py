"""`fairlead services` and `fairlead open`: the cluster's Services, from the user's own machine."""

from __future__ import annotations

import json
import os
import webbrowser
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from time import sleep
from typing import TypeVar
from urllib.parse import quote

from fairlead.base.clock import Clock
from fairlead.cli.api import Api, ApiError, Tree
from fairlead.cli.services import COLUMNS, Door, Networks, NotFound, browsable, choose, doors, is_published, rows
from fairlead.cmd.cluster import config as settings
from fairlead.cmd.commands.status import running
from fairlead.cmd.errors import CommandError, UsageError
from fairlead.service.wellknown import SERVICE_NAME_LABEL

R = TypeVar("R")

_SLICES = "endpointslices"
_WAIT_S = 10.0
_LOOK_EVERY_S = 0.1


def services(name: str, *, namespace: str, as_json: bool) -> int:
    """Prints where the host reaches each published Service."""
    api, routed = _api(name)
    found = _ask(lambda: doors(_list(api, "/api/v1", "services", namespace), _slices(api, namespace), routed=routed))
    if as_json:
        print(json.dumps([asdict(door) for door in found], indent=2))
    elif found:
        from fairlead.cli.table import render

        print(render(COLUMNS, rows(found)))
    else:
        print("no Service is of type LoadBalancer or NodePort; `fairlead open svc/NAME` says how one becomes so")
    return 0


def open_service(name: str, service: str | None, *, namespace: str, port: str, only_print: bool, clock: Clock) -> int:
    """Opens the Service's URL in the user's browser, or prints it; waits a while for one that is just starting."""
    api, routed = _api(name)
    wanted = service_name(service) if service else _only_one(api, namespace)
    door = _wait_for(partial(_look, api, wanted, namespace, port, routed=routed), clock)
    url = browsable(door)
    if only_print:
        print(url)
    elif url.startswith("http") and _has_desktop() and webbrowser.open(url):
        print(f"opened {url}")
    else:
        print(url)
    return 0


def service_name(text: str) -> str:
    kind, slash, name = text.rpartition("/")
    if slash and kind not in ("svc", "service", "services"):
        raise UsageError(f'"{text}" is no Service: write it as svc/NAME')
    return name


def _only_one(api: Api, namespace: str) -> str:
    found = _ask(lambda: doors(_list(api, "/api/v1", "services", namespace), ()))
    names = list(dict.fromkeys(door.name for door in found))
    if len(names) != 1:
        raise UsageError(f"which one? there {'is none' if not names else 'are ' + ', '.join(names)}; write svc/NAME")
    return names[0]


def _wait_for(look: Callable[[], Door], clock: Clock) -> Door:
    deadline = clock.monotonic() + _WAIT_S
    while True:
        door = _ask(look)
        if door.url:
            return door
        if clock.monotonic() > deadline:
            raise CommandError(f'service "{door.name}" cannot be reached on port {door.port}: {door.trouble}')
        sleep(_LOOK_EVERY_S)


def _look(api: Api, name: str, namespace: str, port: str, *, routed: Networks) -> Door:
    path = f"/api/v1/namespaces/{quote(namespace, safe='')}/services/{quote(name, safe='')}"
    service: Tree = api.get(path)
    if not is_published(service, routed=routed):
        raise CommandError(_how_to_publish(service))
    selector = quote(f"{SERVICE_NAME_LABEL}={name}", safe="")
    slices = api.get(f"{_collection('/apis/discovery.k8s.io/v1', _SLICES, namespace)}?labelSelector={selector}")
    return choose(service, slices["items"], port, routed=routed)


def _how_to_publish(service: Tree) -> str:
    name, kind = service["metadata"]["name"], service["spec"].get("type", "ClusterIP")
    if kind == "ExternalName":
        return f'service "{name}" is an alias in DNS for {service["spec"].get("externalName", "")}: nothing to open'
    if service["spec"].get("clusterIP") == "None":
        return f'service "{name}" is headless, it has no address to open; create one of type LoadBalancer beside it'
    patch = '{"spec":{"type":"LoadBalancer"}}'
    where = "" if service["metadata"]["namespace"] == "default" else f" -n {service['metadata']['namespace']}"
    return (
        f'service "{name}" is of type {kind}, which only the cluster can reach; '
        f"to reach it from here: kubectl patch svc {name}{where} -p '{patch}'"
    )


def _list(api: Api, prefix: str, plural: str, namespace: str) -> Sequence[Tree]:
    found: Sequence[Tree] = api.get(_collection(prefix, plural, namespace))["items"]
    return found


def _slices(api: Api, namespace: str) -> Sequence[Tree]:
    return _list(api, "/apis/discovery.k8s.io/v1", _SLICES, namespace)


def _collection(prefix: str, plural: str, namespace: str) -> str:
    return f"{prefix}/namespaces/{quote(namespace, safe='')}/{plural}" if namespace else f"{prefix}/{plural}"


def _api(name: str) -> tuple[Api, Networks]:
    """And where the host has routes to."""
    paths, run = running(name)
    config = settings.load(paths)
    if config is None:
        raise CommandError(f'cluster "{name}" has lost its settings: {paths.config}')
    routes: Networks = []
    if run.hostLink:
        from fairlead.net.hostlink.plan import ranges

        routes = [block for _, block in ranges(config.network())]
    return Api(config.api_port, pki=paths.pki), routes


def _ask(work: Callable[[], R]) -> R:
    try:
        return work()
    except (ApiError, NotFound) as e:
        raise CommandError(str(e)) from e
    except OSError as e:
        raise CommandError(f"the API does not answer: {e}") from e


def _has_desktop() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
