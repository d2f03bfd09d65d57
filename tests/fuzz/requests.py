"""Random requests at the paths of Services, Endpoints and EndpointSlices: many that pass, many that must not."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from fairlead.api.core.endpoints.kind import ENDPOINTS
from fairlead.api.core.service.kind import SERVICE
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE
from fairlead.api.meta.deleteoptions import DeleteOptions
from fairlead.apiserver.serialization.body import MAX_BODY
from fairlead.machinery.kind import Kind
from fairlead.runtime.client import Request
from tests.fuzz.trees import damaged, odd_value, of_type, valid_string

KINDS: tuple[Kind[Any], ...] = (SERVICE, ENDPOINTS, ENDPOINT_SLICE)
NAMES = tuple(f"n{number}" for number in range(8))
NAMESPACES = ("default", "default", "default", "other")
_PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
_TYPES = (
    *_PATCHES,
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "text/plain",
    "",
    "a/b;c",
)
_ACCEPTS = (
    *("application/json", "", "*/*", "text/html", "application/json;as=Table;v=v1;g=meta.k8s.io", "application/yaml"),
    *("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", "application/vnd.kubernetes.protobuf", ";;,,"),
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json",
)
_QUERY: dict[str, tuple[str, ...]] = {
    "dryRun": ("All", "None", "", "x"),
    "fieldValidation": ("Strict", "Warn", "Ignore", "x"),
    "fieldManager": ("me", "", "x" * 200, "\0"),
    "force": ("true", "false", "x"),
    "labelSelector": ("app=web", "a in (b,c)", "!a", "a in (", "a=b=c", ",", "é=1", "a notin ()"),
    "fieldSelector": ("metadata.name=n1", "spec.type=NodePort", "spec.clusterIP!=None", "nope=1", "=,", "a"),
    "limit": ("1", "5", "0", "-1", "x", "99999999999999999999"),
    "continue": ("x", "e30", "eyJ2IjoxfQ", "%%%", ""),
    "resourceVersion": ("0", "1", "5", "99999999", "-1", "x", ""),
    "resourceVersionMatch": ("Exact", "NotOlderThan", "x"),
    "watch": ("true", "1", "false", "x"),
    "allowWatchBookmarks": ("true", "x"),
    "sendInitialEvents": ("true", "x"),
    "timeoutSeconds": ("1", "-1", "x"),
    "includeObject": ("None", "Object", "x"),
    "propagationPolicy": ("Background", "Foreground", "Orphan", "x"),
    "gracePeriodSeconds": ("0", "-1", "x"),
    "pretty": ("true",),
    "x": ("y",),
}

_YAML = (
    b"a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b]\n",
    b"metadata: &m\n  labels: *m\n",
    b"{a: " * 100_000,
    b"- " * 100_000,
    b"spec: {ports: [{port: 80}]}\n---\nkind: Service\n",
    b"metadata: {name: 1, labels: {1: 2, null: 3, [a]: b}}\n",
    b"a: !!python/object:os.system x\n",
    b"when: 2024-01-01\nn: .nan\nb: !!binary aGk=\n",
)


for _name in ("limit", "resourceVersion", "timeoutSeconds", "gracePeriodSeconds", "continue"):
    _QUERY[_name] += ("9" * 400, "-9223372036854775809", "1_0", " 1", "0x1", "1.5", "٣")


class Requests:
    """`next()` makes the next request."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def next(self) -> Request:
        rng = self._rng
        kind, namespace, name = rng.choice(KINDS), rng.choice(NAMESPACES), rng.choice(NAMES)
        make: Callable[[Kind[Any], str, str], Request] = rng.choices(
            (self._create, self._update, self._patch, self._delete, self._read, self._odd), (30, 20, 25, 6, 12, 7)
        )[0]
        return make(kind, namespace, name)

    def _create(self, kind: Kind[Any], namespace: str, name: str) -> Request:
        media, body = self._body(self._object(kind, namespace, name))
        return self._request("POST", kind.path(namespace), media, body)

    def _update(self, kind: Kind[Any], namespace: str, name: str) -> Request:
        media, body = self._body(self._object(kind, namespace, name))
        return self._request("PUT", kind.path(namespace, name, self._subresource()), media, body)

    def _patch(self, kind: Kind[Any], namespace: str, name: str) -> Request:
        rng = self._rng
        media = rng.choice(_PATCHES)
        tree: Any = self._object(kind, namespace, name)
        if media == _PATCHES[0]:
            tree = [self._operation(tree) for _ in range(rng.randrange(4))]
        elif media in _PATCHES[1:3] and isinstance(tree, dict) and rng.random() < 0.7:
            tree = {key: tree[key] for key in tree if rng.random() < 0.5}
            if media == _PATCHES[2] and rng.random() < 0.4:
                directive = rng.choice(
                    ("$patch", "$retainKeys", "$setElementOrder/ports", "$deleteFromPrimitiveList/x")
                )
                value = rng.choice(("replace", "delete", ["a"], [{"port": 80}], 7))
                spec = tree.get("spec")
                tree["spec"] = {directive: value} | (spec if isinstance(spec, dict) else {})
        _, body = self._body(tree)
        path = kind.path(namespace, name, self._subresource())
        return self._request("PATCH", path, media if rng.random() < 0.95 else rng.choice(_TYPES), body)

    def _operation(self, tree: Any) -> Any:
        rng = self._rng
        paths = (
            "/spec/ports/0/port",
            "/spec/ports/-",
            "/spec/type",
            "/metadata/labels",
            "/metadata/labels/a~1b",
            "",
            "/",
            "/a/b",
        )
        operation = {
            "op": rng.choice(("add", "remove", "replace", "move", "copy", "test", "x")),
            "path": rng.choice(paths),
        }
        if rng.random() < 0.7:
            operation["value"] = odd_value(rng) if rng.random() < 0.5 else rng.choice(_parts(tree))
        if rng.random() < 0.3:
            operation["from"] = rng.choice(paths)
        return damaged(rng, operation, 1) if rng.random() < 0.1 else operation

    def _delete(self, kind: Kind[Any], namespace: str, name: str) -> Request:
        rng = self._rng
        tree = of_type(rng, DeleteOptions) if rng.random() < 0.5 else None
        media, body = self._body(tree) if tree else ("", b"")
        return self._request("DELETE", kind.path(namespace, name if rng.random() < 0.97 else ""), media, body)

    def _read(self, kind: Kind[Any], namespace: str, name: str) -> Request:
        rng = self._rng
        path = kind.path(rng.choice((namespace, "")), rng.choice((name, "", "")), "")
        return self._request("GET" if rng.random() < 0.9 else "HEAD", path, "", b"")

    def _odd(self, kind: Kind[Any], namespace: str, name: str) -> Request:
        rng = self._rng
        tails = (
            "proxy",
            "proxy/a/b",
            "scale",
            "log",
            "x",
            "",
            "status/x",
            "%00",
            "..",
            "é",
            " ",
            "a" * 300,
            "ephemeral",
        )
        path = rng.choice(
            (
                f"{kind.path(namespace, name)}/{rng.choice(tails)}",
                kind.path(odd_name(rng), odd_name(rng)),
                kind.path(namespace, odd_name(rng)),
                kind.path(namespace).replace("v1", rng.choice(("v2", "", "v1beta1"))),
                kind.path(namespace) + rng.choice(("/", "//", "/watch", "?", "/./x")),
                f"/api/v1/watch/namespaces/{namespace}/services",
            )
        )
        method = rng.choice(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "FOO"))
        media, body = self._body(self._object(kind, namespace, name))
        return self._request(method, path, media, body)

    def _subresource(self) -> str:
        return "status" if self._rng.random() < 0.15 else ""

    def _object(self, kind: Kind[Any], namespace: str, name: str) -> Any:
        rng = self._rng
        tree = of_type(rng, kind.type)
        for key, value in (("kind", kind.kind), ("apiVersion", kind.api_version)):
            if rng.random() < 0.97:
                tree[key] = value
        meta = tree.setdefault("metadata", {})
        keep = {key: meta[key] for key in meta if rng.random() < 0.25}
        tree["metadata"] = {"name": name, "namespace": namespace} | (keep if rng.random() < 0.3 else {})
        tree["metadata"].setdefault("labels", {"app": "web"})
        if rng.random() < 0.7:
            tree |= _sound(rng, kind)
        return damaged(rng, tree, rng.choice((1, 1, 2, 4))) if rng.random() < 0.45 else tree

    def _body(self, tree: Any) -> tuple[str, bytes]:
        """A tree as bytes, most of the time."""
        rng = self._rng
        pick = rng.random()
        if pick < 0.0015:
            return "application/json", b'{"metadata":{"name":"' + b"a" * MAX_BODY + b'"}}'
        if pick < 0.004:
            return "application/json", b'{"spec":' * 20000 + b"1" + b"}" * 20000
        if pick < 0.006:
            return rng.choice((_TYPES[3], "application/yaml")), rng.choice(_YAML)
        text = json.dumps(tree).encode()
        if pick < 0.03:
            return "application/vnd.kubernetes.protobuf", rng.choice((b"k8s\0", b"")) + rng.randbytes(
                rng.randrange(200)
            )
        if pick < 0.10:
            return "application/json", _scrambled(rng, text)
        return ("application/json" if pick < 0.9 else rng.choice(_TYPES)), text

    def _request(self, method: str, path: str, media: str, body: bytes) -> Request:
        rng = self._rng
        query = {k: rng.choice(_QUERY[k]) for k in rng.sample(list(_QUERY), rng.choice((0, 0, 0, 1, 2)))}
        headers = {"content-type": media, "accept": rng.choice(_ACCEPTS) if rng.random() < 0.2 else "application/json"}
        return Request(method, path, query, headers, body)


def odd_name(rng: random.Random) -> str:
    return str(odd_value(rng))[:300] or "x"


def _parts(tree: Any) -> list[Any]:
    """What a tree holds, at least something. Damage may have left no object."""
    return (list(tree.values()) if isinstance(tree, dict) else [tree]) or [1]


def _sound(rng: random.Random, kind: Kind[Any]) -> dict[str, Any]:
    """Contents that may well be valid."""
    port = rng.choice((80, 443, 8080))
    if kind is SERVICE:
        spec: dict[str, Any] = {"ports": [{"port": port, "name": "a"}], "selector": {"app": "web"}}
        spec["type"] = rng.choice(("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"))
        if rng.random() < 0.3:
            spec |= {rng.choice(("clusterIP", "externalName", "sessionAffinity")): valid_string(rng)}
        if rng.random() < 0.3:
            more = of_type(rng, kind.type).get("spec") or {}
            spec |= {key: more[key] for key in more if rng.random() < 0.3}
        return {"spec": spec, "status": {}}
    address = f"10.9.{rng.randrange(256)}.{rng.randrange(256)}"
    if kind is ENDPOINTS:
        return {"subsets": [{"addresses": [{"ip": address}], "ports": [{"port": port}]}]}
    return {"addressType": "IPv4", "endpoints": [{"addresses": [address]}], "ports": [{"port": port}]}


def _scrambled(rng: random.Random, text: bytes) -> bytes:
    data = bytearray(text)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(4):
            case 0:
                del data[at:]
            case 1:
                data[at:at] = rng.choice(
                    (b"\0", b"\xff", b"{", b"]", b'"', b"NaN", b"1e999", b'"a":1,"a":2,', b"\\ud800", b"//")
                )
            case 2:
                del data[at : at + rng.randrange(1, 9)]
            case _:
                data += rng.choice((b" ", b"{}", b"\n---\n", b"x"))
    return bytes(data)
