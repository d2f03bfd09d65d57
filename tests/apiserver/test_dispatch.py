"""Discovery, dispatch and OpenAPI agree about subresources."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fairlead.api.core.configmap.kind import CONFIG_MAP
from fairlead.machinery.kinds.kind import GroupVersionKind, Kind, Subresource
from fairlead.machinery.kinds.subresources import subresources_of
from fairlead.runtime.client import Request, Response

from .harness import Api, handle, story

METHODS = {"create": "POST", "delete": "DELETE", "get": "GET", "patch": "PATCH", "update": "PUT"}
NONE = b"the server could not find the requested resource"
NOT_ALLOWED = b"the server does not allow this method"


def objects_path(kind: Kind[Any], subresource: str) -> str:
    return kind.path("default" if kind.namespaced else "", "none", subresource)


async def served(api: Api, kind: Kind[Any], subresource: str, verb: str) -> bool:
    """Returns whether code answers: it then does not find the object, or refuses the empty body."""
    path = objects_path(kind, subresource)
    request = Request(METHODS[verb], path, {}, {"content-type": "application/json"}, b"")
    answer = await handle(api.server, request)
    return not (isinstance(answer, Response) and (NONE in answer.body or NOT_ALLOWED in answer.body))


@story
async def test_a_subresource_is_served_with_the_verbs_that_discovery_lists_and_no_others(api: Api) -> None:
    names = {sub.name for kind in api.scheme for sub in subresources_of(kind)} | {"none"}
    for kind in api.scheme:
        tree = await api.ok("GET", kind.path().rpartition("/")[0])
        listed = {r["name"]: set(r["verbs"]) for r in tree["resources"]}
        for name in sorted(names):
            verbs = listed.get(f"{kind.plural}/{name}", set())
            found = {verb for verb in METHODS if await served(api, kind, name, verb)}
            assert found == verbs, f"{kind.resource}/{name}"


@story
async def test_no_code_is_registered_for_a_subresource_that_no_kind_declares(api: Api) -> None:
    declared = {(sub.name, sub.gvk.kind) for kind in api.scheme for sub in subresources_of(kind)}
    assert api.server._serving.verbs.subresources.registered <= declared


@story
async def test_a_kind_with_a_subresource_that_nothing_serves_is_not_added(api: Api) -> None:
    lost = Subresource("lost", GroupVersionKind("", "v1", "Lost"), ("get",))
    kind = replace(CONFIG_MAP, plural="things", kind="Thing", group="x.example.com", subresources=(lost,))
    with pytest.raises(ValueError, match=r"subresource lost of things\.x\.example\.com: not implemented"):
        await api.scheme.add(kind)
    assert kind not in api.scheme


@story
async def test_openapi_describes_the_paths_of_the_same_subresources(api: Api) -> None:
    paths = (await api.ok("GET", "/openapi/v3/api/v1"))["paths"]
    for kind in api.scheme:
        if kind.group:
            continue
        template = kind.path("{namespace}" if kind.namespaced else "", "{name}")
        described = {path.removeprefix(template + "/") for path in paths if path.startswith(template + "/")}
        described = {name for name in described if not name.startswith("proxy/")}
        if kind.plural == "namespaces":
            described = {name for name in described if "/" not in name and name in ("status", "finalize")}
        assert described == {sub.name for sub in subresources_of(kind)}, kind.plural
