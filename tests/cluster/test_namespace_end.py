"""The end of a namespace in a cluster whose controllers share the server's kinds."""

from __future__ import annotations

import pytest

from tests.cluster.support import new_cluster, until

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]


def test_a_namespace_with_a_running_pod_and_a_custom_object_is_deleted() -> None:
    """Binding is a kind that cannot be listed: the controllers ask only for kinds in use."""
    schema = {"openAPIV3Schema": {"type": "object"}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    names = {"plural": "toys", "singular": "toy", "kind": "Toy", "listKind": "ToyList"}
    spec = {"group": "example.com", "names": names, "scope": "Namespaced", "versions": [version]}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "toys.example.com"},
        "spec": spec,
    }
    with new_cluster("user") as cluster:
        cluster.up("--registries", "none")
        access = cluster.access()
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "short"}}
        access.call("POST", "/api/v1/namespaces", namespace)
        container = {"name": "main", "image": "fairlead/web"}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [container]}}
        account = "/api/v1/namespaces/short/serviceaccounts/default"
        until("the namespace's service account", lambda: access.call("GET", account))
        access.call("POST", "/api/v1/namespaces/short/pods", pod)
        access.call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
        toy = {"apiVersion": "example.com/v1", "kind": "Toy", "metadata": {"name": "t"}}
        until(
            "the custom object is made",
            lambda: access.call("POST", "/apis/example.com/v1/namespaces/short/toys", toy),
        )
        until("it runs", lambda: access.call("GET", "/api/v1/namespaces/short/pods/p")["status"]["phase"] == "Running")
        access.call("DELETE", "/api/v1/namespaces/short")

        def gone() -> bool:
            names = [one["metadata"]["name"] for one in access.call("GET", "/api/v1/namespaces")["items"]]
            return "short" not in names

        until("the namespace is gone", gone)
