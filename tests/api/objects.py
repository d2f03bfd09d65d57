"""Makes defaulted objects out of short manifests, as the server would."""

from __future__ import annotations

from typing import Any

import msgspec

from fairlead.api.apps.deployment.kind import DEPLOYMENT, Deployment
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.service.families import complete_families
from fairlead.api.core.service.kind import SERVICE, Service
from fairlead.machinery.kinds.checks import check, immutable
from fairlead.machinery.kinds.kind import Kind

Tree = dict[str, Any]
FAMILIES = ("IPv4",)


def made(kind: Kind[Any], tree: Tree) -> Any:
    """Decoded and defaulted."""
    head = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": {"name": "x"}}
    return kind.default(msgspec.json.decode(msgspec.json.encode(head | tree), type=kind.type))


def created(kind: Kind[Any], tree: Tree) -> Any:
    obj = kind.prepare_create(made(kind, tree))
    if kind is SERVICE:
        complete_families(None, obj, FAMILIES)
    return obj


def updated(kind: Kind[Any], old: Tree, new: Tree) -> Any:
    before = created(kind, old)
    after = kind.prepare_update(before, made(kind, new))
    if kind is SERVICE:
        complete_families(before, after, FAMILIES)
    return after


def wrong(kind: Kind[Any], tree: Tree) -> list[str]:
    return [str(error) for error in check(kind, created(kind, tree))]


def wrong_update(kind: Kind[Any], old: Tree, new: Tree) -> list[str]:
    before, after = created(kind, old), updated(kind, old, new)
    return [str(error) for error in [*immutable(kind, before, after), *kind.transition(before, after)]]


def service(**spec: Any) -> Tree:
    return {"spec": {"ports": [{"port": 80}], **spec}}


def container(**fields: Any) -> Tree:
    return {"name": "web", "image": "nginx:1.14", **fields}


def pod(**spec: Any) -> Tree:
    return {"spec": {"containers": [container()], **spec}}


def deployment(*, labels: dict[str, str] | None = None, template: Tree | None = None, **spec: Any) -> Tree:
    body = {"metadata": {"labels": labels or {"app": "web"}}, "spec": template or {"containers": [container()]}}
    return {"spec": {"selector": {"matchLabels": {"app": "web"}}, "template": body, **spec}}


def made_service(**spec: Any) -> Service:
    found: Service = created(SERVICE, service(**spec))
    return found


def made_pod(**spec: Any) -> Pod:
    found: Pod = created(POD, pod(**spec))
    return found


def made_deployment(**spec: Any) -> Deployment:
    found: Deployment = created(DEPLOYMENT, deployment(**spec))
    return found
