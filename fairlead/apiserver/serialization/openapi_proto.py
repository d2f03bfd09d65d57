"""The API's description (OpenAPI v2) in protobuf, as far as kubectl needs it: the parameters of each PATCH.

kubectl requests this form alone, and only for kinds that `/openapi/v3` does not contain: it then reads from the
operations on namespaces if the server validates fields. Without a response a misspelt apiVersion ends in `failed to
download openapi`. Message and field numbers: gnostic's `openapi.v2.Document`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from fairlead.machinery.kinds.kind import Kind

MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
CONTENT_TYPE = MEDIA_TYPE.replace("@", ".")
"""Differs from `MEDIA_TYPE` as upstream's does: Go's parser of media types does not accept `@`."""
_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation", "force")


def openapi_v2_proto(kinds: Iterable[Kind[Any]], version: str) -> bytes:
    """Returns a `Document` with the paths of single objects and their PATCH operations."""
    paths = b"".join(_field(2, _field(1, _path(kind)) + _field(2, _field(8, _patch(kind)))) for kind in kinds)
    info = _field(1, "Kubernetes") + _field(2, version)
    return _field(1, "2.0") + _field(2, info) + _field(8, paths)


def _path(kind: Kind[Any]) -> str:
    return kind.path("{namespace}" if kind.namespaced else "", "{name}")


def _patch(kind: Kind[Any]) -> bytes:
    """Returns an `Operation`: its query parameters and its kind."""
    parameters = b"".join(_field(8, _query_parameter(name)) for name in _PARAMETERS)
    gvk = json.dumps({"group": kind.group, "version": kind.version, "kind": kind.kind})
    extension = _field(1, "x-kubernetes-group-version-kind") + _field(2, _field(2, gvk))
    return parameters + _field(13, extension)


def _query_parameter(name: str) -> bytes:
    """Returns a `ParametersItem` with the nested messages down to the query parameter."""
    parameter = _field(2, "query") + _field(4, name)
    return _field(1, _field(2, _field(3, parameter)))


def _field(number: int, value: bytes | str) -> bytes:
    """Returns a length-delimited field."""
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
