"""PUT of absent objects, and the right that an apply or a PUT needs to create."""

from __future__ import annotations

from dataclasses import replace

from fairlead.api.kinds import built_in

from .harness import CONFIG_MAPS, SERVICES, Api, Tree, config_map, service, story
from .rbac import add_role, bind, rule, user

LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
ALICE = user("alice")
APPLY = "application/apply-patch+yaml"


def lease(**more: str) -> Tree:
    return {"metadata": {"name": "a"} | more, "spec": {"holderIdentity": "me"}}


def test_these_kinds_are_created_by_a_put_and_these_need_a_version() -> None:
    kinds = built_in()
    assert {kind.plural for kind in kinds if kind.created_by_update} == {
        *("endpoints", "events", "leases", "limitranges", "runtimeclasses", "services"),
        *("clusterrolebindings", "clusterroles", "rolebindings", "roles"),
    }
    assert {kind.plural for kind in kinds if not kind.unconditional_update} == {
        *("csidrivers", "csinodes", "csistoragecapacities", "volumeattachments"),
        *("mutatingadmissionpolicies", "mutatingadmissionpolicybindings", "mutatingwebhookconfigurations"),
        *("validatingadmissionpolicies", "validatingadmissionpolicybindings", "validatingwebhookconfigurations"),
        *("apiservices", "customresourcedefinitions", "leases", "poddisruptionbudgets", "runtimeclasses"),
    }


@story
async def test_a_put_creates_an_absent_lease_but_no_config_map(api: Api) -> None:
    response = await api.call("PUT", f"{LEASES}/a", lease(resourceVersion="7"))
    assert response.status == 201
    made = await api.ok("GET", f"{LEASES}/a")
    assert made["spec"] == {"holderIdentity": "me"}
    assert made["metadata"]["uid"]
    assert (await api.call("PUT", f"{LEASES}/a", made)).status == 200
    assert (await api.error("PUT", f"{CONFIG_MAPS}/a", config_map("a"))).reason == "NotFound"
    error = await api.error("PUT", f"{LEASES}/b", lease(name="b", uid="x"))
    assert error.reason == "Conflict"
    assert error.message.endswith("Precondition failed: UID in precondition: x, UID in object meta: ")
    dry = await api.call("PUT", f"{LEASES}/b", lease(name="b"), query={"dryRun": "All"})
    assert dry.status == 201
    assert (await api.error("GET", f"{LEASES}/b")).reason == "NotFound"
    assert (await api.error("PUT", f"{LEASES}/c", lease(name="b"))).code == 400
    assert (await api.error("PUT", "/apis/coordination.k8s.io/v1/namespaces/x/leases/a", lease())).code == 404


@story
async def test_a_service_that_a_put_creates_gets_its_addresses(api: Api) -> None:
    assert (await api.call("PUT", f"{SERVICES}/web", service("web"))).status == 201
    assert (await api.ok("GET", f"{SERVICES}/web"))["spec"]["clusterIP"].startswith("10.")


@story
async def test_an_apply_or_a_put_creates_only_what_its_user_may_create(api: Api) -> None:
    changes = "get patch update"
    await add_role(api, "changer", rule(changes, "configmaps"), rule(changes, "leases", "coordination.k8s.io"))
    await bind(api, "a", "changer", "user:alice")
    alice = replace(api, user=ALICE)
    applied = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "1"}}
    path, query = f"{CONFIG_MAPS}/a", {"fieldManager": "m"}
    error = await alice.error("PATCH", path, applied, content_type=APPLY, query=query)
    text = 'User "alice" cannot create resource "configmaps" in API group "" in the namespace "default"'
    assert (error.code, error.message) == (403, f'configmaps "a" is forbidden: {text}')
    assert (await alice.error("PUT", f"{LEASES}/a", lease())).code == 403
    await api.ok("PATCH", path, applied, content_type=APPLY, query=query)
    await alice.ok("PATCH", path, applied, content_type=APPLY, query=query)
    await add_role(api, "creator", rule("create", "leases", "coordination.k8s.io"))
    await bind(api, "b", "creator", "user:alice")
    assert (await alice.call("PUT", f"{LEASES}/a", lease())).status == 201
