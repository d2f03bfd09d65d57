"""An operator by kopf: a custom resource with status, finalizers, and admission by a webhook that kopf serves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, dynamic, watch

from tests.apiserver.webhooks import certificate

from .apiserver import Served

OPERATOR = Path(__file__).with_name("operator_shop.py")
_WAIT_S = 600
CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "shops.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "shops", "singular": "shop", "kind": "Shop", "shortNames": ["sh"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "required": ["size"],
                                "properties": {"size": {"type": "integer", "minimum": 0}},
                            },
                            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        },
                    }
                },
            }
        ],
    },
}


@contextmanager
def operator(served: Served, home: Path) -> Iterator[Path]:
    """Runs the operator; yields its log."""
    log = home / "kopf.log"
    made, files = certificate("127.0.0.1"), {"HOOK_CERTIFICATE": home / "hook.crt", "HOOK_KEY": home / "hook.key"}
    for path, content in zip(files.values(), (made.pem, made.key), strict=True):
        path.write_bytes(content)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "KUBECONFIG": str(served.kubeconfig),
        **{name: str(path) for name, path in files.items()},
    }
    command = [sys.executable, "-m", "kopf", "run", "--standalone", "--all-namespaces", str(OPERATOR)]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment, cwd=home)
        try:
            yield log
            assert process.poll() is None, log.read_text()[-3000:]
        finally:
            process.terminate()
            process.wait()


def until(listing: Callable[..., Any], found: Callable[[Any], bool], *where: str) -> Any:
    """Watches a list of custom objects, or of webhooks, until an object is as wanted; returns the object."""
    with closing(watch.Watch().stream(listing, *where, timeout_seconds=_WAIT_S)) as events:
        for event in events:
            if event["type"] != "DELETED" and found(event["object"]):
                return event["object"]
    raise AssertionError("not reached")


def shop(name: str, size: int) -> dict[str, Any]:
    return {"apiVersion": "example.com/v1", "kind": "Shop", "metadata": {"name": name}, "spec": {"size": size}}


@pytest.mark.slow
def test_an_operator_by_kopf_handles_and_admits_custom_objects(
    served: Served, api: client.ApiClient, tmp_path: Path
) -> None:
    objects: Any = client.CustomObjectsApi(api)
    hooks = client.AdmissionregistrationV1Api(api)
    crds = dynamic.DynamicClient(api).resources.get(
        api_version="apiextensions.k8s.io/v1", kind="CustomResourceDefinition"
    )
    crds.create(body=CRD)
    place = ("example.com", "v1", "default", "shops")
    with operator(served, tmp_path) as log:
        for listing in (hooks.list_validating_webhook_configuration, hooks.list_mutating_webhook_configuration):
            until(listing, lambda hook: bool(hook.webhooks))
        made = objects.create_namespaced_custom_object(*place, shop("a", 3))
        assert made["metadata"]["labels"] == {"checked": "yes"}, log.read_text()[-2000:]
        opened = until(
            objects.list_namespaced_custom_object, lambda obj: obj.get("status", {}).get("phase") == "Open", *place
        )
        assert opened["status"]["create"] == {"shelves": 3}
        assert opened["metadata"]["finalizers"] == ["shop.example.com/finalizer"]
        with pytest.raises(client.ApiException) as refused:
            objects.create_namespaced_custom_object(*place, shop("b", 9))
        assert "the shop is too large" in str(refused.value.body)
        objects.patch_namespaced_custom_object(*place, "a", {"spec": {"size": 4}})
        until(objects.list_namespaced_custom_object, lambda obj: obj.get("status", {}).get("size") == 4, *place)
        version = objects.list_namespaced_custom_object(*place)["metadata"]["resourceVersion"]
        objects.delete_namespaced_custom_object(*place, "a")
        stream = watch.Watch().stream(
            objects.list_namespaced_custom_object, *place, resource_version=version, timeout_seconds=_WAIT_S
        )
        with closing(stream):
            assert any(event["type"] == "DELETED" for event in stream)
