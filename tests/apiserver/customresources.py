"""Definitions of custom resources for tests, and waiting for the server to act on them."""

from __future__ import annotations

import asyncio
from typing import Any

from .harness import Api

Tree = dict[str, Any]

GROUP = "stable.example.com"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
NAME = f"crontabs.{GROUP}"
OBJECTS = f"/apis/{GROUP}/v1/namespaces/default/crontabs"

SPEC: Tree = {
    "type": "object",
    "properties": {
        "cron": {"type": "string", "pattern": "^[0-9* ]+$"},
        "replicas": {"type": "integer", "minimum": 1, "maximum": 10, "default": 1},
        "image": {"type": "string"},
        "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "port": {"x-kubernetes-int-or-string": True},
        "note": {"type": "string", "nullable": True},
        "jobs": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "every": {"type": "string", "default": "1h"}},
            },
        },
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
    },
}


def schema(spec: Tree = SPEC, **more: Tree) -> Tree:
    return {
        "type": "object",
        "properties": {
            "spec": spec,
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            **more,
        },
    }


def version(name: str = "v1", openapi: Tree | None = None, *, storage: bool = True, **more: Any) -> Tree:
    shown = {"openAPIV3Schema": openapi or schema()}
    return {"name": name, "served": True, "storage": storage, "schema": shown, **more}


def definition(*versions: Tree, plural: str = "crontabs", kind: str = "CronTab", **spec: Any) -> Tree:
    names = {"plural": plural, "kind": kind, "shortNames": [plural[:2]], "categories": ["all"]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": names,
            "versions": list(versions) or [version()],
        }
        | spec,
    }


def crontab(name: str = "a", **spec: Any) -> Tree:
    return {"apiVersion": f"{GROUP}/v1", "kind": "CronTab", "metadata": {"name": name}, "spec": spec}


async def settle(api: Api, name: str = NAME) -> Tree:
    """Waits until the server has acted on the definition's present generation. Returns the definition."""
    while True:
        crd = await api.ok("GET", f"{DEFINITIONS}/{name}")
        states = {one["type"]: one["status"] for one in crd.get("status", {}).get("conditions", [])}
        if states.get("NamesAccepted") == "False" or states.get("Established") == "True":
            custom = api.server._background.custom
            if not custom._waiting:
                return crd
        await asyncio.sleep(0)


async def define(api: Api, *versions: Tree, **more: Any) -> Tree:
    """Creates a definition and waits until its kinds are served."""
    made = await api.ok("POST", DEFINITIONS, definition(*versions, **more))
    return await settle(api, made["metadata"]["name"])


async def gone(api: Api, path: str) -> None:
    """Waits until the object does not exist any more."""
    while True:
        if (await api.call("GET", path)).status == 404:
            return
        await asyncio.sleep(0)
