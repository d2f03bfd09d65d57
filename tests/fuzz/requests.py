"""Random requests at the paths of every kind, half of them Services and their endpoints: many pass, many must not."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from fairlead.api.core.endpoints.kind import ENDPOINTS
from fairlead.api.core.service.kind import SERVICE
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE
from fairlead.api.kinds import KINDS
from fairlead.api.meta.deleteoptions import DeleteOptions
from fairlead.api.meta.types import ObjectMeta
from fairlead.api.networking.servicecidr.kind import SERVICE_CIDR
from fairlead.apiserver.serialization.body import MAX_BODY
from fairlead.machinery.kinds.kind import Kind
from fairlead.runtime.client import Request
from tests.fuzz.bodies import TAGS, gzipped, protobuf, scratched, yaml_text
from tests.fuzz.trees import damaged, odd_value, of_type, valid_string

_USUAL: tuple[Kind[Any], ...] = (SERVICE, ENDPOINTS, ENDPOINT_SLICE)
NAMES = tuple(f"n{number}" for number in range(8))
NAMESPACES = ("default", "default", "default", "other")
PROTOBUF = "application/vnd.kubernetes.protobuf"
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
    "watch": ("true", "1", "false", "x", "", "0", "False", "TRUE"),
    "allowWatchBookmarks": ("true", "x", "", "0", "FALSE"),
    "sendInitialEvents": ("true", "x", "", "0", "False"),
    "tailLines": ("1", "0", "-1", "x"),
    "limitBytes": ("1", "0", "x"),
    "sinceSeconds": ("1", "0", "x"),
    "sinceTime": ("2024-01-01T00:00:00Z", "0000-00-00", "x"),
    "container": ("web", "", "x"),
    "command": ("ls", ""),
    "stdout": ("True", "", "0"),
    "ports": ("80", "²", "", "80,81", "70000"),
    "orphanDependents": ("True", "", "0", "x"),
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
    *(f"a: {tag} {value}\n".encode() for tag in TAGS for value in ("foo", '""', "1", "{a: b}", "[a: b]")),
)
_AGENTS = ("", "", "kubectl/v1.36.0 (linux/amd64)", "me")
_PARTS = (
    *("", "", "", "", "", "", "", "", "status", "status", "scale", "ephemeralcontainers", "binding", "eviction"),
    *("token", "finalize", "log", "exec", "attach", "portforward", "proxy", "proxy/", "resize", "x"),
)


_NUMBERS = (
    "limit",
    "resourceVersion",
    "timeoutSeconds",
    "gracePeriodSeconds",
    "tailLines",
    "limitBytes",
    "sinceSeconds",
)
for _name in (*_NUMBERS, "continue"):
    _QUERY[_name] += ("9" * 400, "-9223372036854775809", "1_0", " 1", "0x1", "1.5", "٣", "²", "")


class Requests:
    """`next()` makes the next request."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def next(self) -> Request:
        rng = self._rng
        kind = rng.choice(_USUAL if rng.random() < 0.5 else KINDS)
        namespace, name = rng.choice(NAMESPACES), rng.choice(NAMES)
        make: Callable[[Kind[Any], str, str], Request] = rng.choices(
            (self._create, self._update, self._patch, self._delete, self._read, self._odd), (30, 20, 25, 6, 12, 7)
        )[0]
        return make(kind, namespace, name)

    def _create(self, kind: Kind[Any], namespace: str, name: str) -> Request:
        media, body = self._body(self._object(kind, namespace, name), kind)
        part = self._subresource() if self._rng.random() < 0.1 else ""
        return self._request("POST", kind.path(namespace, name if part else "", part), media, body)

    def _update(self, kind: Kind[Any], namespace: str, name: str) -> Request:
        media, body = self._body(self._object(kind, namespace, name), kind)
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
        # Without any ServiceCIDR no Service can be created: 500, as upstream.
        whole = rng.random() < 0.03 and kind is not SERVICE_CIDR
        return self._request("DELETE", kind.path(namespace, "" if whole else name), media, body)

    def _read(self, kind: Kind[Any], namespace: str, name: str) -> Request:
        rng = self._rng
        name = rng.choice((name, "", ""))
        path = kind.path(rng.choice((namespace, "")), name, self._subresource() if name else "")
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
        if method == "DELETE" and kind is SERVICE_CIDR:
            method = "GET"
        media, body = self._body(self._object(kind, namespace, name))
        return self._request(method, path, media, body)

    def _subresource(self) -> str:
        return self._rng.choice(_PARTS)

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
        if rng.random() < 0.7 and kind in _USUAL:
            tree |= _sound(rng, kind)
        if rng.random() < 0.1:
            _fill_metadata(rng, tree)
        return damaged(rng, tree, rng.choice((1, 1, 2, 4))) if rng.random() < 0.45 else tree

    def _body(self, tree: Any, kind: Kind[Any] | None = None) -> tuple[str, bytes]:
        """Returns a tree as bytes, most of the time."""
        rng = self._rng
        pick = rng.random()
        if pick < 0.0015:
            return "application/json", b'{"metadata":{"name":"' + b"a" * MAX_BODY + b'"}}'
        if pick < 0.004:
            return "application/json", b'{"spec":' * 20000 + b"1" + b"}" * 20000
        if pick < 0.006:
            return rng.choice((_TYPES[3], "application/yaml")), rng.choice(_YAML)
        text = json.dumps(tree).encode()
        if pick < 0.012:
            return PROTOBUF, rng.choice((b"k8s\0", b"")) + rng.randbytes(rng.randrange(200))
        if pick < 0.05 and kind is not None:
            data = protobuf(kind.schema, tree, api_version=kind.api_version, kind=kind.kind)
            return PROTOBUF, data if rng.random() < 0.6 else scratched(rng, data)
        if pick < 0.09:
            return "application/yaml", yaml_text(rng, tree).encode("utf-8", "surrogatepass")
        if pick < 0.15:
            return "application/json", _scrambled(rng, text)
        return ("application/json" if pick < 0.9 else rng.choice(_TYPES)), text

    def _request(self, method: str, path: str, media: str, body: bytes) -> Request:
        rng = self._rng
        query = {k: rng.choice(_QUERY[k]) for k in rng.sample(list(_QUERY), rng.choice((0, 0, 0, 1, 2)))}
        headers = {"content-type": media, "accept": rng.choice(_ACCEPTS) if rng.random() < 0.2 else "application/json"}
        if agent := rng.choice(_AGENTS):
            headers["user-agent"] = agent
        if body and rng.random() < 0.03:
            body = gzipped(rng, body)
            headers["content-encoding"] = "gzip"
        return Request(method, path, query, headers, body)


def _fill_metadata(rng: random.Random, tree: Any) -> None:
    """Puts fields that only servers write into some metadata, that of templates too."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if isinstance(node.get("metadata"), dict) or "template" in node:
                more = of_type(rng, ObjectMeta)
                node["metadata"] = more | node.get("metadata", {}) if isinstance(node.get("metadata"), dict) else more
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


def odd_name(rng: random.Random) -> str:
    return str(odd_value(rng))[:300] or "x"


def _parts(tree: Any) -> list[Any]:
    """Returns the parts of a tree, at least one. Damage may have left no object."""
    return (list(tree.values()) if isinstance(tree, dict) else [tree]) or [1]


def _sound(rng: random.Random, kind: Kind[Any]) -> dict[str, Any]:
    """Returns contents that are probably valid."""
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
