"""Ten tests of an application in a cluster: `pytest examples/pytest`."""

from __future__ import annotations

from conftest import Shop


def test_the_service_answers(shop: Shop) -> None:
    assert "Pod web-" in shop.ask()


def test_every_replica_gets_requests(shop: Shop) -> None:
    answers = {shop.ask() for _ in range(40)}
    assert len(answers) == 2


def test_the_pods_see_the_configuration(shop: Shop) -> None:
    assert shop.run("cat /etc/shop/greeting") == "Welcome to the shop"


def test_the_pods_have_the_token(shop: Shop) -> None:
    assert shop.run("printenv TOKEN").strip() == "s3cret"
    assert shop.cluster.secret("shop", namespace=shop.namespace) == {"token": b"s3cret"}


def test_the_migration_has_run(shop: Shop) -> None:
    shop.cluster.wait("job/migrate", namespace=shop.namespace)
    assert shop.run("cat /var/lib/shop/schema") == "schema 7\n"


def test_the_claim_is_bound(shop: Shop) -> None:
    assert shop.cluster.wait("pvc/shop", namespace=shop.namespace)["spec"]["storageClassName"] == "standard"


def test_one_pod_may_be_evicted_at_a_time(shop: Shop) -> None:
    budget = shop.cluster.wait(
        "pdb/web", lambda b: "disruptionsAllowed" in b.get("status", {}), namespace=shop.namespace
    )
    assert budget["status"]["disruptionsAllowed"] == 1


def test_it_scales(own_shop: Shop) -> None:
    own_shop.cluster.kubectl("scale", "deployment/web", "--replicas=4", namespace=own_shop.namespace)
    own_shop.cluster.wait("deployment/web", namespace=own_shop.namespace)
    assert len(own_shop.pods()) == 4


def test_a_deleted_pod_is_replaced_and_its_data_stay(own_shop: Shop) -> None:
    own_shop.run("touch /var/lib/shop/order-1")
    before = own_shop.pods()
    own_shop.cluster.kubectl("delete", *before, "--wait=false", namespace=own_shop.namespace)
    for pod in before:
        own_shop.cluster.wait_deleted(pod, namespace=own_shop.namespace)
    own_shop.cluster.wait("deployment/web", namespace=own_shop.namespace)
    assert not set(own_shop.pods()) & set(before)
    assert "order-1" in own_shop.run("ls /var/lib/shop")


def test_an_update_answers_all_the_time(own_shop: Shop) -> None:
    own_shop.cluster.kubectl("set", "env", "deployment/web", "VERSION=2", namespace=own_shop.namespace)
    answers = [own_shop.ask() for _ in range(50)]
    own_shop.cluster.wait("deployment/web", namespace=own_shop.namespace)
    assert all("Pod web-" in answer for answer in answers)
    assert own_shop.run("printenv VERSION").strip() == "2"
