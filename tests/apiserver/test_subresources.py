"""scale, binding, eviction, token, log."""

from __future__ import annotations

from dataclasses import replace

from fairlead.apiserver.model import ANONYMOUS
from fairlead.machinery.values.status import StatusError

from .harness import DEPLOYMENTS, JSON_PATCH, MERGE, PODS, STRATEGIC, Api, deployment, pod, story

ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"


@story
async def test_scale_reads_and_writes_the_replicas(api: Api) -> None:
    await api.ok("POST", DEPLOYMENTS, deployment("web"))
    path = f"{DEPLOYMENTS}/web/scale"
    scale = await api.ok("GET", path)
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert (scale["spec"], scale["status"]) == ({"replicas": 3}, {"replicas": 0, "selector": "app=web"})
    scale["spec"]["replicas"] = 5
    assert (await api.ok("PUT", path, scale))["spec"] == {"replicas": 5}
    assert (await api.error("PUT", path, scale)).reason == "Conflict"
    assert (await api.ok("PATCH", path, {"spec": {"replicas": 2}}, content_type=MERGE))["spec"] == {"replicas": 2}
    found = await api.ok("GET", f"{DEPLOYMENTS}/web")
    assert (found["spec"]["replicas"], found["metadata"]["generation"]) == (2, 3)
    error = await api.error("PATCH", path, {"spec": {"replicas": -1}}, content_type=MERGE)
    assert (error.code, "must be greater than or equal to 0" in error.message) == (422, True)
    assert (await api.error("GET", f"{PODS}/a/scale")).code == 404


@story
async def test_the_kind_in_a_strategic_merge_patch_has_no_effect(api: Api) -> None:
    await api.ok("POST", DEPLOYMENTS, deployment("web"))
    for path in (f"{DEPLOYMENTS}/web/scale", f"{DEPLOYMENTS}/web"):
        kind = (await api.ok("GET", path))["kind"]
        for header in ({"kind": "Service"}, {"apiVersion": "v2"}, {"kind": None, "apiVersion": None}):
            patch = header | {"spec": {"replicas": 7}}
            changed = await api.ok("PATCH", path, patch, content_type=STRATEGIC)
            assert (changed["kind"], changed["spec"]["replicas"]) == (kind, 7), (path, header)
    refused = await api.error("PATCH", f"{DEPLOYMENTS}/web", {"kind": "Service"}, content_type=MERGE)
    assert refused.code == 422, refused


@story
async def test_scale_and_finalize_refuse_a_body_that_is_about_another_object(api: Api) -> None:
    await api.ok("POST", DEPLOYMENTS, deployment("web"))
    for path in (f"{DEPLOYMENTS}/web/scale", "/api/v1/namespaces/default/finalize"):
        body = await api.ok("GET", path.removesuffix("/finalize"))
        name = body["metadata"]["name"]
        for field, code, words in (
            ("name", 400, f"the name of the object (zz) does not match the name on the URL ({name})"),
            ("namespace", 400, "namespace"),
            ("uid", 409, "Precondition failed: UID in precondition: zz"),
        ):
            error = await api.error("PUT", path, body | {"metadata": body["metadata"] | {field: "zz"}})
            assert (error.code, words in error.message) == (code, True), (path, field, error.message)
        await api.ok("PUT", path, body)


@story
async def test_actions_refuse_a_body_that_is_about_another_object(api: Api) -> None:
    await api.ok("POST", PODS, pod("a"))
    binding = {"target": {"kind": "Node", "name": "n1"}}
    for path, body, codes in (
        (f"{PODS}/a/binding", binding, {"name": 400, "namespace": 400, "uid": 409, "resourceVersion": 409}),
        (f"{PODS}/a/eviction", {}, {"name": 400, "namespace": 400}),
        (f"{ACCOUNTS}/default/token", {"spec": {}}, {"name": 422, "namespace": 422, "uid": 409}),
    ):
        for field, code in codes.items():
            error = await api.error("POST", path, body | {"metadata": {field: "99999"}})
            assert error.code == code, (path, field, error.message)
    found = await api.ok("GET", f"{PODS}/a")
    assert "deletionTimestamp" not in found["metadata"]
    assert "nodeName" not in found["spec"]


@story
async def test_a_binding_passes_labels_and_annotations_on(api: Api) -> None:
    await api.ok("POST", PODS, pod("a") | {"metadata": {"name": "a", "labels": {"zone": "old", "app": "a"}}})
    meta = {"name": "a", "namespace": "default", "labels": {"zone": "z1"}, "annotations": {"why": "room"}}
    await api.ok("POST", f"{PODS}/a/binding", {"metadata": meta, "target": {"kind": "Node", "name": "n1"}})
    found = (await api.ok("GET", f"{PODS}/a"))["metadata"]
    assert (found["labels"], found["annotations"]) == ({"zone": "z1", "app": "a"}, {"why": "room"})


@story
async def test_binding_puts_a_pod_on_a_node_once(api: Api) -> None:
    await api.ok("POST", PODS, pod("a"))
    binding = {"target": {"kind": "Node", "name": "n1"}}
    assert (await api.ok("POST", f"{PODS}/a/binding", binding))["status"] == "Success"
    found = await api.ok("GET", f"{PODS}/a")
    assert found["spec"]["nodeName"] == "n1"
    (condition,) = found["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("PodScheduled", "True")
    error = await api.error("POST", f"{PODS}/a/binding", binding)
    text = 'Operation cannot be fulfilled on pods/binding "a": pod a is already assigned to node "n1"'
    assert (error.code, error.message) == (409, text)
    await api.ok("POST", PODS, pod("b"))
    assert (await api.error("POST", f"{PODS}/b/binding", {"target": {}})).code == 422


@story
async def test_eviction_deletes_with_the_options_in_it(api: Api) -> None:
    await api.ok("POST", PODS, pod("a", nodeName="n1"))
    await api.ok("POST", f"{PODS}/a/eviction", {"deleteOptions": {"gracePeriodSeconds": 4}})
    assert (await api.ok("GET", f"{PODS}/a"))["metadata"]["deletionGracePeriodSeconds"] == 4


@story
async def test_unauthenticated_users_see_health_and_nothing_else(api: Api) -> None:
    stranger = replace(api, user=ANONYMOUS)
    for path in ("/healthz", "/livez", "/readyz", "/version"):
        assert (await stranger.call("GET", path)).status == 200, path
    for path in ("/api", "/", "/metrics", "/openapi/v3", "/livez/ping", "//healthz", "/healthz/../metrics"):
        error = await stranger.error("GET", path)
        text = f'forbidden: User "system:anonymous" cannot get path "{path}"'
        assert (error.code, error.reason, error.message) == (403, "Forbidden", text)
    error = await stranger.error("POST", "/healthz")
    assert error.message == 'forbidden: User "system:anonymous" cannot post path "/healthz"'


@story
async def test_logs_of_the_right_container(api: Api) -> None:
    two = [{"name": "a", "image": "x"}, {"name": "b", "image": "x"}]
    await api.ok("POST", PODS, pod("p", containers=two, initContainers=[{"name": "i", "image": "x"}]))
    error = await api.error("GET", f"{PODS}/p/log")
    text = "a container name must be specified for pod p, choose one of: [a b] or one of the init containers: [i]"
    assert (error.code, error.message) == (400, text)
    error = await api.error("GET", f"{PODS}/p/log", query={"container": "zz"})
    assert (error.code, error.message) == (400, "container zz is not valid for pod p")
    response = await api.call("GET", f"{PODS}/p/log", query={"container": "a"})
    assert (response.status, response.body) == (200, b""), "not on a node yet"
    await api.ok("POST", f"{PODS}/p/binding", {"target": {"name": "n1"}})
    waiting = {"name": "a", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    await api.ok("PATCH", f"{PODS}/p/status", {"status": {"containerStatuses": [waiting]}}, content_type=MERGE)
    error = await api.error("GET", f"{PODS}/p/log", query={"container": "a"})
    assert error.message == 'container "a" in pod "p" is waiting to start: trying and failing to pull image'
    error = await api.error("GET", f"{PODS}/p/log", query={"container": "a", "tailLines": "-1"})
    assert (error.code, "tailLines: Invalid value: -1" in error.message) == (422, True)
    assert (await api.error("GET", f"{PODS}/none/log")).message == 'pods "none" not found'


@story
async def test_exec_and_attach_of_an_unscheduled_pod_are_refused(api: Api) -> None:
    await api.ok("POST", PODS, pod("p"))
    for what in ("attach", "exec"):
        error = await api.error("GET", f"{PODS}/p/{what}", query={"command": "ls"}, upgrade="websocket")
        assert (error.code, error.message) == (400, "pod p does not have a host assigned")


@story
async def test_a_replication_controller_scales_though_its_selector_is_a_plain_map(api: Api) -> None:
    made = deployment("web")
    made["spec"]["selector"] = {"app": "web"}
    path = "/api/v1/namespaces/default/replicationcontrollers"
    await api.ok("POST", path, made)
    scale = await api.ok("GET", f"{path}/web/scale")
    assert (scale["spec"], scale["status"]["selector"]) == ({"replicas": 3}, "app=web")
    scale["spec"]["replicas"] = 1
    await api.ok("PUT", f"{path}/web/scale", scale)
    assert (await api.ok("GET", f"{path}/web"))["spec"]["replicas"] == 1


DEBUGGER = {"name": "dbg", "image": "busybox", "command": ["sh"], "stdin": True, "targetContainerName": "web"}


@story
async def test_ephemeral_containers_are_added_by_their_subresource_in_every_form(api: Api) -> None:
    made = await api.ok("POST", PODS, pod("a"))
    path = f"{PODS}/a/ephemeralcontainers"
    assert await api.ok("GET", path) == made
    patch = {"spec": {"ephemeralContainers": [DEBUGGER]}, "metadata": {"labels": {"x": "y"}}}
    found = await api.ok("PATCH", path, patch, content_type=STRATEGIC)
    (container,) = found["spec"]["ephemeralContainers"]
    assert (container["name"], container["imagePullPolicy"]) == ("dbg", "Always")
    assert container["terminationMessagePath"] == "/dev/termination-log"
    assert found["metadata"]["generation"] == made["metadata"]["generation"] + 1
    assert "labels" not in found["metadata"]
    found["spec"]["ephemeralContainers"].append(DEBUGGER | {"name": "two"})
    found["spec"]["nodeName"] = "elsewhere"
    found = await api.ok("PUT", path, found)
    assert [c["name"] for c in found["spec"]["ephemeralContainers"]] == ["dbg", "two"]
    assert "nodeName" not in found["spec"]
    operations = [{"op": "add", "path": "/spec/ephemeralContainers/-", "value": DEBUGGER | {"name": "three"}}]
    found = await api.ok("PATCH", path, operations, content_type=JSON_PATCH)
    merged = {"spec": {"ephemeralContainers": [*found["spec"]["ephemeralContainers"], DEBUGGER | {"name": "four"}]}}
    found = await api.ok("PATCH", path, merged, content_type=MERGE)
    assert [c["name"] for c in found["spec"]["ephemeralContainers"]] == ["dbg", "two", "three", "four"]
    assert found == await api.ok("GET", f"{PODS}/a")


@story
async def test_ephemeral_containers_are_never_changed_or_removed_and_come_by_no_other_way(api: Api) -> None:
    error = await api.error("POST", PODS, pod("a", ephemeralContainers=[DEBUGGER]))
    assert _causes(error) == [("spec.ephemeralContainers", "Forbidden: cannot be set on create")]
    await api.ok("POST", PODS, pod("a"))
    path = f"{PODS}/a/ephemeralcontainers"
    found = await api.ok("PATCH", path, {"spec": {"ephemeralContainers": [DEBUGGER]}}, content_type=STRATEGIC)
    changed = {"spec": {"ephemeralContainers": [DEBUGGER | {"image": "nginx"}]}}
    for content_type, body, text in (
        (STRATEGIC, changed, 'existing ephemeral containers "dbg" may not be changed'),
        (MERGE, {"spec": {"ephemeralContainers": None}}, 'existing ephemeral containers "dbg" may not be removed'),
    ):
        error = await api.error("PATCH", path, body, content_type=content_type)
        assert _causes(error) == [("spec.ephemeralContainers", f"Forbidden: {text}")]
    found["spec"]["ephemeralContainers"].append(DEBUGGER | {"name": "two"})
    error = await api.error("PUT", f"{PODS}/a", found)
    assert error.details["causes"][0]["field"] == "spec"
    assert (await api.error("GET", f"{DEPLOYMENTS}/a/ephemeralcontainers")).code == 404
    assert (await api.error("DELETE", path)).code == 405
    assert (await api.error("GET", f"{PODS}/b/ephemeralcontainers")).code == 404


@story
async def test_ephemeral_containers_are_checked_as_upstream_checks_them(api: Api) -> None:
    await api.ok("POST", PODS, pod("a", volumes=[{"name": "v", "emptyDir": {}}]))
    bad = {
        **DEBUGGER,
        "name": "web",
        "targetContainerName": "missing",
        "ports": [{"containerPort": 80}],
        "resources": {"limits": {"cpu": "1"}},
        "restartPolicy": "Always",
        "volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "x"}],
    }
    patch = {"spec": {"ephemeralContainers": [bad]}}
    error = await api.error("PATCH", f"{PODS}/a/ephemeralcontainers", patch, content_type=STRATEGIC)
    where, unfit = "spec.ephemeralContainers[0]", "Forbidden: cannot be set for an Ephemeral Container"
    assert _causes(error) == [
        (f"{where}.name", 'Duplicate value: "web"'),
        (f"{where}.targetContainerName", 'Not found: "missing"'),
        (f"{where}.ports", unfit),
        (f"{where}.resources", unfit),
        (f"{where}.restartPolicy", unfit),
        (f"{where}.volumeMounts[0].subPath", unfit),
    ]


@story
async def test_owners_of_ephemeral_containers_are_tracked_by_subresource(api: Api) -> None:
    await api.ok("POST", PODS, pod("a"), query={"fieldManager": "maker"})
    path, query = f"{PODS}/a/ephemeralcontainers", {"fieldManager": "debugger"}
    patch = {"metadata": {"labels": {"x": "y"}}, "spec": {"ephemeralContainers": [DEBUGGER]}}
    found = await api.ok("PATCH", path, patch, content_type=STRATEGIC, query=query)
    entry = next(e for e in found["metadata"]["managedFields"] if e["manager"] == "debugger")
    assert (entry["operation"], entry["subresource"]) == ("Update", "ephemeralcontainers")
    assert list(entry["fieldsV1"]) == ["f:spec"]
    assert list(entry["fieldsV1"]["f:spec"]) == ["f:ephemeralContainers"]


def _causes(error: StatusError) -> list[tuple[str, str]]:
    return [(cause["field"], cause["message"]) for cause in error.details["causes"]]


def _sized(cpu: str, memory: str, **more: object) -> dict[str, object]:
    amounts = {"cpu": cpu, "memory": memory}
    return {"name": "web", "image": "nginx", "resources": {"requests": amounts, "limits": amounts}, **more}


@story
async def test_the_resources_of_a_pod_are_changed_by_resize_and_nothing_else_is(api: Api) -> None:
    made = await api.ok("POST", PODS, pod("a", containers=[_sized("100m", "64Mi")]))
    path = f"{PODS}/a/resize"
    assert await api.ok("GET", path) == made
    patch = {"metadata": {"labels": {"x": "y"}}, "spec": {"priority": 7, "containers": [_sized("0.2", "64Mi")]}}
    found = await api.ok("PATCH", path, patch, content_type=STRATEGIC)
    assert found["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "200m", "memory": "64Mi"}
    assert (found["metadata"]["generation"], found["spec"]["priority"]) == (2, 0)
    assert "labels" not in found["metadata"]
    found["spec"]["containers"][0] |= {"image": "other", "resources": _sized("0.3", "1Gi")["resources"]}
    found = await api.ok("PUT", path, found)
    assert found["spec"]["containers"][0]["image"] == "nginx"
    assert found["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "300m", "memory": "1Gi"}
    assert found == await api.ok("GET", f"{PODS}/a")


@story
async def test_a_resize_keeps_the_class_the_containers_and_their_limits(api: Api) -> None:
    await api.ok("POST", PODS, pod("a", containers=[_sized("100m", "64Mi"), _sized("1", "1Gi", name="other")]))
    found = await api.ok("GET", f"{PODS}/a")
    one, other = found["spec"]["containers"]
    frozen = one | {
        "resources": {key: {**one["resources"][key], "example.com/x": "1"} for key in ("limits", "requests")}
    }
    burstable = one | {"resources": {"limits": {"cpu": "1", "memory": "64Mi"}, "requests": {"cpu": "100m"}}}
    removed = one | {"resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}}
    policy = one | {"resizePolicy": [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]}
    mutable, where = ("spec", "Forbidden: only cpu and memory resources are mutable"), "spec.containers[0].resources"
    changed = ("spec", 'Invalid value: "Guaranteed": Pod QOS Class may not change as a result of resizing')
    gone = [
        (f"{where}.requests", "Forbidden: resource requests cannot be removed"),
        (f"{where}.limits", "Forbidden: resource limits cannot be removed"),
    ]
    for containers, causes in (
        ([frozen, other], [mutable]),
        ([burstable, other], [changed]),
        ([removed, other], [changed, *gone]),
        ([policy, other], [mutable]),
        ([one], [("spec.containers", "Forbidden: containers may not be added or removed on resize")]),
    ):
        error = await api.error("PUT", f"{PODS}/a/resize", found | {"spec": found["spec"] | {"containers": containers}})
        assert _causes(error) == causes


@story
async def test_restart_rules_of_a_container_are_checked(api: Api) -> None:
    def container(**fields: object) -> dict[str, object]:
        return {"name": "web", "image": "nginx", **fields}

    rule = {"action": "Restart", "exitCodes": {"operator": "In", "values": [1]}}
    where = "spec.containers[0]"
    for fields, field, text in (
        ({"restartPolicyRules": [rule]}, f"{where}.restartPolicy", "must specify restartPolicy"),
        (
            {"restartPolicy": "Never", "restartPolicyRules": [{"action": "Stop", "exitCodes": rule["exitCodes"]}]},
            f"{where}.restartPolicyRules[0].action",
            'supported values: "Restart", "RestartAllContainers"',
        ),
        (
            {"restartPolicy": "Never", "restartPolicyRules": [{"action": "Restart"}]},
            f"{where}.restartPolicyRules[0].exitCodes",
            "must be specified",
        ),
        (
            {
                "restartPolicy": "Never",
                "restartPolicyRules": [{**rule, "exitCodes": {"operator": "Is", "values": [1]}}],
            },
            f"{where}.restartPolicyRules[0].exitCodes.operator",
            'supported values: "In", "NotIn"',
        ),
        ({"restartPolicy": "Never", "restartPolicyRules": [rule] * 21}, f"{where}.restartPolicyRules", "at most 20"),
    ):
        [(found, why)] = _causes(await api.error("POST", PODS, pod("a", containers=[container(**fields)])))
        assert found == field
        assert text in why
    await api.ok("POST", PODS, pod("a", containers=[container(restartPolicy="Never", restartPolicyRules=[rule])]))
