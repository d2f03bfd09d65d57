"""Deletions of a real cluster: what belongs to an object goes with the object."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.kubectl import Kubectl
from tests.cluster.support import free_port, new_cluster, until

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

SHOPS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: shops.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: shops, singular: shop, kind: Shop}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""
SHOP = """
apiVersion: example.com/v1
kind: Shop
metadata: {name: one, namespace: mall}
"""


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    with new_cluster() as cluster:
        cluster.up("--api-port", str(free_port()))
        yield Kubectl(cluster)


def test_a_deleted_namespace_takes_its_pods_and_custom_objects_along(kubectl: Kubectl) -> None:
    kubectl("create namespace mall")
    kubectl("apply -f -", SHOPS)
    kubectl("wait --for=condition=Established crd/shops.example.com --timeout=120s")
    kubectl("apply -f -", SHOP)
    kubectl("-n mall create deployment web --image=fairlead/web")
    kubectl("-n mall rollout status deployment/web --timeout=120s")
    kubectl("delete namespace mall --timeout=120s")
    assert kubectl("get shops -A -o name") == ""


def test_a_custom_owner_takes_what_it_owns_along(kubectl: Kubectl) -> None:
    kubectl("create namespace mall")
    kubectl("apply -f -", SHOPS)
    kubectl("wait --for=condition=Established crd/shops.example.com --timeout=120s")
    kubectl("apply -f -", SHOP)
    uid = kubectl("-n mall get shop one -o jsonpath={.metadata.uid}")
    kubectl("-n mall create configmap stock")
    owner = f'{{"apiVersion":"example.com/v1","kind":"Shop","name":"one","uid":"{uid}"}}'
    kubectl.run(["-n", "mall", "patch", "configmap", "stock", "-p", f'{{"metadata":{{"ownerReferences":[{owner}]}}}}'])
    kubectl("-n mall delete shop one --timeout=120s")
    until("the owned object is gone", lambda: "stock" not in kubectl("-n mall get configmap -o name"))
    kubectl("delete namespace mall --timeout=120s")
