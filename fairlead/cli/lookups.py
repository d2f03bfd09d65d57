"""Fetches Services and their EndpointSlices from the API."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from fairlead.cli.api import Api, Tree
from fairlead.service.wellknown import SERVICE_NAME_LABEL

_CORE, _DISCOVERY = "/api/v1", "/apis/discovery.k8s.io/v1"


def list_services(api: Api, namespace: str) -> Sequence[Tree]:
    """Returns the Services of one namespace, or of all namespaces if the name is empty."""
    return _list(api, _collection(_CORE, "services", namespace))


def list_slices(api: Api, namespace: str) -> Sequence[Tree]:
    """Returns the EndpointSlices of one namespace, or of all namespaces if the name is empty."""
    return _list(api, _collection(_DISCOVERY, "endpointslices", namespace))


def get_service(api: Api, name: str, namespace: str) -> Tree:
    service: Tree = api.get(f"{_collection(_CORE, 'services', namespace)}/{quote(name, safe='')}")
    return service


def slices_of(api: Api, name: str, namespace: str) -> Sequence[Tree]:
    selector = quote(f"{SERVICE_NAME_LABEL}={name}", safe="")
    return _list(api, f"{_collection(_DISCOVERY, 'endpointslices', namespace)}?labelSelector={selector}")


def selected_pods(api: Api, service: Tree) -> Sequence[Tree]:
    """Returns the Pods that the Service selects; none for a Service without a selector."""
    selector = ",".join(f"{key}={value}" for key, value in service["spec"].get("selector", {}).items())
    pods = _collection(_CORE, "pods", service["metadata"]["namespace"])
    return _list(api, f"{pods}?labelSelector={quote(selector, safe='')}") if selector else ()


def _list(api: Api, path: str) -> Sequence[Tree]:
    items: Sequence[Tree] = api.get(path)["items"]
    return items


def _collection(prefix: str, plural: str, namespace: str) -> str:
    return f"{prefix}/namespaces/{quote(namespace, safe='')}/{plural}" if namespace else f"{prefix}/{plural}"
