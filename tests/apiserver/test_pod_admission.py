"""Admission of a new Pod: classes, tolerations, kernel settings."""

from __future__ import annotations

import asyncio
from typing import Any

from .harness import PODS, SERVICES, Api, pod, service, story

INGRESSES = "/apis/networking.k8s.io/v1/namespaces/default/ingresses"


async def _refused(api: Api, why: str, **spec: Any) -> None:
    error = await api.error("POST", PODS, pod("a", **spec))
    assert (error.code, error.reason, error.message) == (403, "Forbidden", f'pods "a" is forbidden: {why}')
    assert error.details == {"name": "a", "kind": "pods"}


@story
async def test_a_class_that_does_not_exist_is_refused(api: Api) -> None:
    await _refused(api, "no PriorityClass with name high was found", priorityClassName="high")
    await _refused(api, 'pod rejected: RuntimeClass "kata" not found', runtimeClassName="kata")
    why = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
    await _refused(api, why, overhead={"cpu": "1"})


@story
async def test_a_priority_comes_from_its_class_alone(api: Api) -> None:
    for name, priority in (("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)):
        made = await api.ok("POST", PODS, pod(name, priorityClassName=name))
        assert (made["spec"]["priority"], made["spec"]["preemptionPolicy"]) == (priority, "PreemptLowerPriority")
    why = "must not be provided in pod spec; priority admission controller computed"
    tail = "from the given PriorityClass name"
    await _refused(api, f"the integer value of priority (5) {why} 0 {tail}", priority=5)
    policy = "PreemptLowerPriority"
    text = f"the string value of PreemptionPolicy (Never) {why} {policy} {tail}"
    await _refused(api, text, preemptionPolicy="Never")


@story
async def test_a_new_pod_outlives_a_lost_node_for_five_minutes(api: Api) -> None:
    mine = [{"key": "node.kubernetes.io/not-ready", "operator": "Exists"}]
    spec = (await api.ok("POST", PODS, pod("a", tolerations=mine)))["spec"]
    assert [(t["key"], t.get("tolerationSeconds")) for t in spec["tolerations"]] == [
        ("node.kubernetes.io/not-ready", None),
        ("node.kubernetes.io/unreachable", 300),
    ]
    assert spec["serviceAccountName"] == spec["serviceAccount"] == "default"


@story
async def test_admission_adds_its_fields_again_if_a_put_lacks_them(api: Api) -> None:
    sent = pod("a", nodeName="n1", serviceAccountName="default", automountServiceAccountToken=False)
    made = await api.ok("POST", PODS, sent)
    sent["spec"]["containers"][0]["image"] = "busybox"
    put = await api.ok("PUT", f"{PODS}/a", sent)
    assert put["spec"]["containers"][0]["image"] == "busybox"
    for name in ("tolerations", "priority", "preemptionPolicy"):
        assert put["spec"][name] == made["spec"][name]
    more = {"key": "x", "operator": "Exists"}
    put = await api.ok("PUT", f"{PODS}/a", pod("a", **sent["spec"], tolerations=[more]))
    assert [t["key"] for t in put["spec"]["tolerations"]] == [
        "x",
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ]


@story
async def test_names_of_kernel_settings_are_checked(api: Api) -> None:
    good = ["net.ipv4.ip_local_port_range", "net/ipv4/conf/eth0.1/x", "kernel.shm_rmid_forced"]
    await api.ok("POST", PODS, pod("a", securityContext={"sysctls": [{"name": n, "value": "1"} for n in good]}))
    regex = "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
    shape = f"must have at most 253 characters and match regex {regex}"
    names = ["../etc", "net..x", "NET.x", "a" * 254, "net.x", "net.x", ""]
    error = await api.error("POST", PODS, pod("b", securityContext={"sysctls": [{"name": n} for n in names]}))
    causes = {cause["field"]: cause["message"] for cause in error.details["causes"]}
    where = "spec.securityContext.sysctls"
    assert causes == {
        **{f"{where}[{i}].name": f'Invalid value: "{names[i]}": {shape}' for i in range(4)},
        f"{where}[5].name": 'Duplicate value: "net.x"',
        f"{where}[6].name": "Required value",
    }
    for field, name in (("hostNetwork", "net.ipv4.x"), ("hostIPC", "kernel/sem")):
        sysctls = {"sysctls": [{"name": name, "value": "1"}]}
        error = await api.error("POST", PODS, pod("b", securityContext=sysctls, **{field: True}))
        (cause,) = error.details["causes"]
        assert cause["message"] == f"Invalid value: \"{name}\": may not be specified when '{field}' is true"


@story
async def test_a_services_name_may_begin_with_a_digit(api: Api) -> None:
    assert (await api.ok("POST", SERVICES, service("2web")))["metadata"]["name"] == "2web"
    assert (await api.error("POST", SERVICES, service("a.b"))).code == 422
    backend = {"service": {"name": "2web", "port": {"number": 80}}}
    body = {"metadata": {"name": "i"}, "spec": {"defaultBackend": backend}}
    await api.ok("POST", INGRESSES, body)


@story
async def test_a_pod_waits_for_the_default_account_of_a_new_namespace(api: Api) -> None:
    path = "/api/v1/namespaces/new"
    await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "new"}})
    pods = [asyncio.create_task(api.ok("POST", f"{path}/pods", pod(name))) for name in ("a", "b")]
    other = await api.error("POST", f"{path}/pods", pod("c", serviceAccountName="mine"))
    assert other.code == 403
    await api.ok("POST", f"{path}/serviceaccounts", {"metadata": {"name": "mine"}})
    assert not any(task.done() for task in pods)
    await api.ok("POST", f"{path}/serviceaccounts", {"metadata": {"name": "default"}})
    for made in await asyncio.gather(*pods):
        assert made["spec"]["serviceAccountName"] == "default"
