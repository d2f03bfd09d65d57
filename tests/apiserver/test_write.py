"""create, update and patch."""

from __future__ import annotations

import asyncio

import pytest

from fairlead.machinery.values.status import OBJECT_MODIFIED

from .harness import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    JSON_PATCH,
    MERGE,
    PODS,
    SERVICES,
    STRATEGIC,
    Api,
    config_map,
    deployment,
    pod,
    service,
    story,
)


@story
async def test_a_created_object_has_identity_and_is_got_back_the_same(api: Api) -> None:
    created = await api.ok("POST", CONFIG_MAPS, config_map("a", k="v"))
    assert created == await api.ok("GET", f"{CONFIG_MAPS}/a")
    meta = created["metadata"]
    assert (created["kind"], created["apiVersion"], meta["namespace"]) == ("ConfigMap", "v1", "default")
    assert (len(meta["uid"]), meta["creationTimestamp"]) == (36, "2023-11-14T22:13:20Z")
    assert int(meta["resourceVersion"]) > 0
    assert (await api.call("POST", CONFIG_MAPS, config_map("b"))).status == 201


@story
async def test_create_of_an_existing_name_is_refused_with_upstreams_text(api: Api) -> None:
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    error = await api.error("POST", CONFIG_MAPS, config_map("a"))
    assert (error.code, error.reason, error.message) == (409, "AlreadyExists", 'configmaps "a" already exists')


@story
async def test_create_needs_a_living_namespace(api: Api) -> None:
    path = "/api/v1/namespaces/x/configmaps"
    error = await api.error("POST", path, config_map("a"))
    assert (error.code, error.message) == (404, 'namespaces "x" not found')
    await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "x"}})
    await api.ok("DELETE", "/api/v1/namespaces/x")
    error = await api.error("POST", path, config_map("a"))
    text = 'configmaps "a" is forbidden: unable to create new content in namespace x because it is being terminated'
    assert (error.code, error.reason, error.message) == (403, "Forbidden", text)
    assert error.details["causes"][0]["reason"] == "NamespaceTerminating"


@story
async def test_generated_names_have_five_random_characters_and_do_not_clash(api: Api) -> None:
    bodies = [api.ok("POST", CONFIG_MAPS, {"metadata": {"generateName": "job-"}}) for _ in range(40)]
    names = {created["metadata"]["name"] for created in await asyncio.gather(*bodies)}
    assert len(names) == 40
    assert all(len(name) == 9 and name.startswith("job-") for name in names)


@story
async def test_create_without_any_name_is_invalid(api: Api) -> None:
    error = await api.error("POST", CONFIG_MAPS, {"metadata": {}})
    text = 'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required'
    assert (error.code, error.message) == (422, text)


@story
async def test_body_and_path_must_agree(api: Api) -> None:
    error = await api.error("POST", CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "kube-system"}})
    text = "the namespace of the provided object does not match the namespace sent on the request"
    assert (error.code, error.message) == (400, text)
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    error = await api.error("PUT", f"{CONFIG_MAPS}/a", config_map("b"))
    assert error.message == "the name of the object (b) does not match the name on the URL (a)"


@story
async def test_unknown_fields_are_refused_warned_of_or_ignored_as_asked(api: Api) -> None:
    body = config_map("a") | {"bar": 1, "foo": 2}
    error = await api.error("POST", CONFIG_MAPS, body, query={"fieldValidation": "Strict"})
    text = (
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: '
        'unknown field "bar", unknown field "foo"'
    )
    assert (error.code, error.message) == (400, text)
    response = await api.call("POST", CONFIG_MAPS, body)
    assert response.headers["warning"] == '299 - "unknown field \\"bar\\"", 299 - "unknown field \\"foo\\""'
    response = await api.call("POST", CONFIG_MAPS, config_map("b") | {"bar": 1}, query={"fieldValidation": "Ignore"})
    assert "warning" not in response.headers


@story
async def test_dry_run_changes_nothing(api: Api) -> None:
    query = {"dryRun": "All"}
    made = await api.ok("POST", SERVICES, service("a"), query=query)
    assert made["spec"]["clusterIP"].startswith("10.")
    assert "resourceVersion" not in made["metadata"]
    assert (await api.error("GET", f"{SERVICES}/a")).code == 404
    await api.ok("POST", CONFIG_MAPS, config_map("c", k="1"))
    changed = await api.ok("PATCH", f"{CONFIG_MAPS}/c", {"data": {"k": "2"}}, query=query, content_type=MERGE)
    assert changed["data"] == {"k": "2"}
    assert (await api.ok("GET", f"{CONFIG_MAPS}/c"))["data"] == {"k": "1"}
    await api.ok("DELETE", f"{CONFIG_MAPS}/c", query=query)
    assert (await api.ok("GET", f"{CONFIG_MAPS}/c"))["data"] == {"k": "1"}
    error = await api.error("POST", CONFIG_MAPS, config_map("d"), query={"dryRun": "Yes"})
    assert error.code == 422


@story
async def test_update_with_an_old_version_conflicts_and_without_one_does_not(api: Api) -> None:
    first = await api.ok("POST", CONFIG_MAPS, config_map("a", k="1"))
    await api.ok("PUT", f"{CONFIG_MAPS}/a", config_map("a", k="2"))
    first["data"] = {"k": "3"}
    error = await api.error("PUT", f"{CONFIG_MAPS}/a", first)
    assert (error.code, error.reason) == (409, "Conflict")
    assert error.message == f'Operation cannot be fulfilled on configmaps "a": {OBJECT_MODIFIED}'
    other = config_map("a") | {"metadata": {"name": "a", "uid": "another"}}
    assert "UID in precondition: another" in (await api.error("PUT", f"{CONFIG_MAPS}/a", other)).message


@story
async def test_update_does_not_create(api: Api) -> None:
    error = await api.error("PUT", f"{CONFIG_MAPS}/a", config_map("a"))
    assert (error.code, error.message) == (404, 'configmaps "a" not found')


@story
async def test_an_update_that_changes_nothing_writes_nothing(api: Api) -> None:
    created = await api.ok("POST", CONFIG_MAPS, config_map("a", k="1"))
    before = api.revision
    assert await api.ok("PUT", f"{CONFIG_MAPS}/a", created) == created
    assert await api.ok("PATCH", f"{CONFIG_MAPS}/a", {"data": {"k": "1"}}, content_type=MERGE) == created
    assert api.revision == before


@story
async def test_generation_counts_changes_of_spec_only(api: Api) -> None:
    await api.ok("POST", DEPLOYMENTS, deployment("web"))
    path = f"{DEPLOYMENTS}/web"

    async def patched(patch: object, sub: str = "") -> int:
        found = await api.ok("PATCH", path + sub, patch, content_type=MERGE)
        generation: int = found["metadata"]["generation"]
        return generation

    assert await patched({"metadata": {"labels": {"a": "b"}}}) == 1
    assert await patched({"spec": {"replicas": 5}}) == 2
    assert await patched({"status": {"replicas": 5}}, "/status") == 2
    assert await patched({"metadata": {"annotations": {"a": "b"}}}) == 3


@story
async def test_spec_and_status_have_an_endpoint_each(api: Api) -> None:
    await api.ok("POST", PODS, pod("a"))
    both = {"metadata": {"labels": {"x": "y"}}, "spec": {"nodeName": "n1"}, "status": {"phase": "Running"}}
    found = await api.ok("PATCH", f"{PODS}/a/status", both, content_type=MERGE)
    assert (found["status"]["phase"], "nodeName" in found["spec"]) == ("Running", False)
    found = await api.ok("PATCH", f"{PODS}/a", {"status": {"phase": "Failed"}}, content_type=MERGE)
    assert found["status"]["phase"] == "Running"
    assert (await api.ok("GET", f"{PODS}/a/status"))["metadata"]["name"] == "a"


@story
async def test_the_three_patches(api: Api) -> None:
    await api.ok("POST", DEPLOYMENTS, deployment("web"))
    path = f"{DEPLOYMENTS}/web"
    image = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "nginx:2"}]}}}}
    found = await api.ok("PATCH", path, image, content_type=STRATEGIC)
    container = found["spec"]["template"]["spec"]["containers"][0]
    assert (container["image"], container["terminationMessagePath"]) == ("nginx:2", "/dev/termination-log")
    operations = [{"op": "replace", "path": "/spec/replicas", "value": 7}]
    assert (await api.ok("PATCH", path, operations, content_type=JSON_PATCH))["spec"]["replicas"] == 7
    assert (await api.error("PATCH", path, {}, content_type="text/html")).code == 415


@story
async def test_concurrent_patches_without_a_version_all_succeed(api: Api) -> None:
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    patches = [api.ok("PATCH", f"{CONFIG_MAPS}/a", {"data": {f"k{i}": "v"}}, content_type=MERGE) for i in range(20)]
    await asyncio.gather(*patches)
    assert len((await api.ok("GET", f"{CONFIG_MAPS}/a"))["data"]) == 20


@story
async def test_a_patch_with_an_old_version_conflicts(api: Api) -> None:
    created = await api.ok("POST", CONFIG_MAPS, config_map("a"))
    patch = {"metadata": {"resourceVersion": created["metadata"]["resourceVersion"]}, "data": {"k": "1"}}
    await api.ok("PATCH", f"{CONFIG_MAPS}/a", patch, content_type=MERGE)
    assert (await api.error("PATCH", f"{CONFIG_MAPS}/a", patch, content_type=MERGE)).code == 409


@story
async def test_yaml_is_understood_and_other_forms_are_not(api: Api) -> None:
    body = b"kind: ConfigMap\napiVersion: v1\nmetadata:\n  name: a\ndata: {k: v}\n"
    assert (await api.ok("POST", CONFIG_MAPS, body, content_type="application/yaml"))["data"] == {"k": "v"}
    assert (await api.error("POST", CONFIG_MAPS, b"a: [", content_type="application/yaml")).code == 400
    error = await api.error("POST", CONFIG_MAPS, body, content_type="text/html")
    assert (error.code, error.reason) == (415, "UnsupportedMediaType")


@story
async def test_a_pod_gets_its_account_and_its_token(api: Api) -> None:
    spec = (await api.ok("POST", PODS, pod("a")))["spec"]
    mount = spec["containers"][0]["volumeMounts"][0]
    assert mount["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"
    assert mount["name"] == spec["volumes"][0]["name"]
    assert mount["name"].startswith("kube-api-access-")
    assert (spec["serviceAccountName"], spec["priority"], len(spec["tolerations"])) == ("default", 0, 2)
    spec = (await api.ok("POST", PODS, pod("b", automountServiceAccountToken=False)))["spec"]
    assert "volumes" not in spec


@story
async def test_a_pod_without_an_account_is_refused(api: Api) -> None:
    error = await api.error("POST", PODS, pod("a", serviceAccountName="bob"))
    text = 'pods "a" is forbidden: error looking up service account default/bob: serviceaccount "bob" not found'
    assert (error.code, error.reason, error.message) == (403, "Forbidden", text)


@story
async def test_new_finalizers_are_refused_while_an_object_is_being_deleted(api: Api) -> None:
    body = config_map("a")
    body["metadata"]["finalizers"] = ["x.io/y"]
    await api.ok("POST", CONFIG_MAPS, body)
    await api.ok("DELETE", f"{CONFIG_MAPS}/a")
    patch = {"metadata": {"finalizers": ["x.io/y", "x.io/z"]}}
    error = await api.error("PATCH", f"{CONFIG_MAPS}/a", patch, content_type=MERGE)
    assert "no new finalizers can be added if the object is being deleted" in error.message


@story
async def test_a_create_with_a_valid_resource_version_is_refused(api: Api) -> None:
    for number, version in enumerate(("5", "007", "18446744073709551615")):
        body = {"metadata": {"name": f"bad{number}", "resourceVersion": version}}
        error = await api.error("POST", CONFIG_MAPS, body)
        assert (error.code, error.message) == (500, "resourceVersion should not be set on objects to be created")
        await api.ok("POST", CONFIG_MAPS, body, query={"dryRun": "All"})
    for number, version in enumerate(("0", "00", "", "abc", "-1", "+5", "1_0", "٣", "18446744073709551616")):
        made = await api.ok("POST", CONFIG_MAPS, {"metadata": {"name": f"good{number}", "resourceVersion": version}})
        assert made["metadata"]["resourceVersion"] == str(api.revision)


LAUGHS = b"x: &x0 [1,1,1,1,1,1,1,1,1,1]\n" + b"".join(
    b"x%d: &x%d [%s]\n" % (n, n, b",".join([b"*x%d" % (n - 1)] * 10)) for n in range(1, 9)
)


@story
async def test_yaml_that_is_made_to_kill_its_reader_is_refused(api: Api) -> None:
    for body in (b"{a: " * 200_000, b"- " * 200_000, b"a: &a [*a]", LAUGHS, b"a: *nobody"):
        error = await api.error("POST", CONFIG_MAPS, body, content_type="application/yaml")
        assert (error.code, error.reason) == (400, "BadRequest"), body[:50]
        assert error.message.startswith("error converting YAML to JSON: yaml: ")


@pytest.mark.slow
@story
async def test_other_requests_are_answered_while_a_large_body_is_decoded(api: Api) -> None:
    body = b"metadata:\n  name: large\ndata:\n" + b"".join(b"  k%d: v\n" % n for n in range(4_000))
    for method, path in (("POST", CONFIG_MAPS), ("PUT", f"{CONFIG_MAPS}/large")):
        async with asyncio.TaskGroup() as group:
            slow = group.create_task(api.call(method, path, body, content_type="application/yaml"))
            for _ in range(5):
                await asyncio.sleep(0)
                assert (await api.call("GET", PODS)).status == 200
            assert not slow.done()
        assert slow.result().status == (201 if method == "POST" else 200)


HOSTILE_YAML = {
    "more values than anyone writes": (b"a: [" + b"a," * 1_400_000 + b"]", "more than 100000 values"),
    "a long text many times": (b'a: &a "' + b"x" * 100_000 + b'"\nb: [' + b"*a," * 1000 + b"]", "excessive aliasing"),
    "depth by lists": (b"- " * 1_000_000, "max depth"),
    "depth by keys": (b"? " * 1_000_000, "max depth"),
}


@pytest.mark.parametrize("what", sorted(HOSTILE_YAML))
def test_yaml_that_is_made_to_keep_the_server_busy_is_refused(what: str) -> None:
    body, why = HOSTILE_YAML[what]

    @story
    async def told(api: Api) -> None:
        for method, path in (("POST", CONFIG_MAPS), ("DELETE", f"{CONFIG_MAPS}/a")):
            error = await api.error(method, path, body, content_type="application/yaml")
            assert (error.code, why in error.message) == (400, True), error.message

    told()


@story
async def test_a_patch_cannot_multiply_a_long_text(api: Api) -> None:
    await api.ok("POST", CONFIG_MAPS, config_map("a", k="x" * 100_000))
    patch = [{"op": "copy", "from": "/data/k", "path": f"/data/k{n}"} for n in range(9000)]
    error = await api.error("PATCH", f"{CONFIG_MAPS}/a", patch, content_type=JSON_PATCH)
    assert (error.code, "too large" in error.message) == (422, True)


@story
async def test_an_answer_names_a_thousand_mistakes_and_counts_the_others(api: Api) -> None:
    body = {"metadata": {"name": "a"}, "data": {f"k {n}": "" for n in range(1500)}}
    error = await api.error("POST", CONFIG_MAPS, body)
    assert len(error.details["causes"]) == 1000
    assert error.message.endswith(", and 500 more errors]")


@story
async def test_long_selectors_are_refused(api: Api) -> None:
    for name, term in (("labelSelector", "k{}!=v"), ("fieldSelector", "metadata.name!=v{}")):
        text = ",".join(term.format(n) for n in range(201))
        error = await api.error("GET", CONFIG_MAPS, query={name: text})
        assert (error.code, "a selector has at most 200 requirements" in error.message) == (400, True)
        assert (await api.call("GET", CONFIG_MAPS, query={name: text.rpartition(",")[0]})).status == 200


@story
async def test_applying_a_list_of_thousands_compares_each_item_once(api: Api) -> None:
    ports = [{"port": n, "protocol": "TCP", "name": f"p{n}"} for n in range(1, 3001)]
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": ports}}
    query, form = {"fieldManager": "m"}, "application/apply-patch+yaml"
    made = await api.ok("PATCH", f"{SERVICES}/a", body, query=query, content_type=form)
    owned = made["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:ports"]
    assert list(owned) == [f'k:{{"port":{n},"protocol":"TCP"}}' for n in range(1, 3001)]
