"""get and list: selectors, pages, representations."""

from __future__ import annotations

import asyncio

import pytest

from fairlead.api.core.configmap.kind import CONFIG_MAP
from fairlead.apiserver.watchcache.pages import Position, Snapshots, parse_token, render_token
from fairlead.machinery.values.status import StatusError

from .harness import CONFIG_MAPS, MERGE, PODS, Api, config_map, pod, story

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def names(listing: dict[str, object]) -> list[str]:
    items = listing["items"]
    assert isinstance(items, list)
    return [item["metadata"]["name"] for item in items]


async def some(api: Api, count: int = 5) -> None:
    for i in range(count):
        await api.ok("POST", CONFIG_MAPS, config_map(f"m{i}", {"odd": str(i % 2), "n": str(i)}))


@story
async def test_lists_are_in_key_order_over_all_namespaces_or_one(api: Api) -> None:
    await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "default-b"}})
    for namespace, name in (("default", "z"), ("default-b", "a"), ("default", "b")):
        await api.ok("POST", f"/api/v1/namespaces/{namespace}/configmaps", config_map(name))
    assert names(await api.ok("GET", "/api/v1/configmaps")) == ["a", "b", "z"]
    listing = await api.ok("GET", CONFIG_MAPS)
    assert names(listing) == ["b", "z"]
    assert (listing["kind"], listing["apiVersion"]) == ("ConfigMapList", "v1")
    assert listing["metadata"]["resourceVersion"] == str(api.revision)
    assert names(await api.ok("GET", "/api/v1/namespaces/none/configmaps")) == []


@story
async def test_selectors_of_labels_and_fields(api: Api) -> None:
    await some(api)
    assert names(await api.ok("GET", CONFIG_MAPS, query={"labelSelector": "odd=1"})) == ["m1", "m3"]
    assert names(await api.ok("GET", CONFIG_MAPS, query={"labelSelector": "n in (0,4),odd!=1"})) == ["m0", "m4"]
    assert names(await api.ok("GET", CONFIG_MAPS, query={"fieldSelector": "metadata.name=m2"})) == ["m2"]
    assert names(await api.ok("GET", "/api/v1/configmaps", query={"fieldSelector": "metadata.name=m2"})) == ["m2"]
    await api.ok("POST", PODS, pod("a", nodeName="n1"))
    await api.ok("POST", PODS, pod("b"))
    assert names(await api.ok("GET", PODS, query={"fieldSelector": "spec.nodeName=n1"})) == ["a"]
    error = await api.error("GET", PODS, query={"fieldSelector": "foo=bar"})
    text = (
        'Unable to find "/v1, Resource=pods" that match label selector "", field selector "foo=bar": '
        "field label not supported: foo"
    )
    assert (error.code, error.message) == (400, text)


@story
async def test_pages_show_one_revision_despite_changes(api: Api) -> None:
    await some(api)
    page = await api.ok("GET", CONFIG_MAPS, query={"limit": "2"})
    assert names(page) == ["m0", "m1"]
    assert page["metadata"]["remainingItemCount"] == 3
    await api.ok("DELETE", f"{CONFIG_MAPS}/m2")
    await api.ok("POST", CONFIG_MAPS, config_map("m25"))
    rest = await api.ok("GET", CONFIG_MAPS, query={"limit": "10", "continue": page["metadata"]["continue"]})
    assert names(rest) == ["m2", "m3", "m4"]
    assert rest["metadata"] == {"resourceVersion": page["metadata"]["resourceVersion"]}


@story
async def test_a_page_without_a_snapshot_is_expired_but_can_be_continued(api: Api) -> None:
    await some(api)
    revision = api.revision
    await api.ok("DELETE", f"{CONFIG_MAPS}/m3")
    forget_history(api)
    token = render_token(Position(revision, "default/m1"))
    error = await api.call("GET", CONFIG_MAPS, query={"continue": token})
    assert error.status == 410
    tree = await _status(api, token)
    rest = await api.ok("GET", CONFIG_MAPS, query={"continue": tree["metadata"]["continue"]})
    assert names(rest) == ["m2", "m4"]
    assert (await api.error("GET", CONFIG_MAPS, query={"continue": "nonsense"})).code == 400


@story
async def test_a_page_can_be_continued_until_its_revision_is_compacted_by_age(api: Api) -> None:
    await some(api)
    token = (await api.ok("GET", CONFIG_MAPS, query={"limit": "2"}))["metadata"]["continue"]
    await api.ok("DELETE", f"{CONFIG_MAPS}/m0")
    compactor = api.server._background.compactor
    compactor._interval_s = 0.0
    running = asyncio.create_task(compactor.run())
    for _ in range(1000):
        await asyncio.sleep(0)
        if (await api.call("GET", CONFIG_MAPS, query={"continue": token, "limit": "2"})).status == 410:
            break
    running.cancel()
    rest = await api.ok("GET", CONFIG_MAPS, query={"continue": (await _status(api, token))["metadata"]["continue"]})
    assert names(rest) == ["m2", "m3", "m4"]


def forget_history(api: Api) -> None:
    """Drops the events of the kind, as if there had been too many since."""
    cache = api.server._resources.of(CONFIG_MAP).cache
    cache._ring.clear()
    cache._floor = api.revision


@story
async def test_a_past_state_is_listed_exactly(api: Api) -> None:
    await some(api, 3)
    then = str(api.revision)
    before = (await api.ok("GET", CONFIG_MAPS))["items"]
    await api.ok("DELETE", f"{CONFIG_MAPS}/m0")
    await api.ok("PATCH", f"{CONFIG_MAPS}/m1", {"data": {"n": "changed"}}, content_type=MERGE)
    await api.ok("POST", CONFIG_MAPS, config_map("new"))
    await api.ok("POST", "/api/v1/namespaces/kube-system/configmaps", config_map("elsewhere"))
    exact = {"resourceVersion": then, "resourceVersionMatch": "Exact"}
    listed = await api.ok("GET", CONFIG_MAPS, query=exact)
    assert listed["items"] == before
    assert listed["metadata"]["resourceVersion"] == then
    everywhere = await api.ok("GET", "/api/v1/configmaps", query=exact)
    assert "elsewhere" not in names(everywhere)
    page = await api.ok("GET", CONFIG_MAPS, query={"resourceVersion": then, "limit": "2"})
    assert page["items"] == before[:2], "a limit with a version means exactly that version"
    token = page["metadata"]["continue"]
    api.server._serving.verbs._reader._snapshots = Snapshots()
    rest = await api.ok("GET", CONFIG_MAPS, query={"continue": token, "resourceVersion": "0"})
    assert rest["items"] == before[2:]
    error = await api.error("GET", CONFIG_MAPS, query={"continue": token, "resourceVersion": then})
    assert (error.code, error.message) == (400, "specifying resource version is not allowed when using continue")


@story
async def test_the_options_of_lists_and_watches_are_refused_as_upstream_does(api: Api) -> None:
    async def causes(**query: str) -> list[str]:
        error = await api.error("GET", CONFIG_MAPS, query=query)
        assert error.code == 422
        return [cause["message"] for cause in error.details["causes"]]

    assert await causes(resourceVersion="1", resourceVersionMatch="x") == [
        'Unsupported value: "x": supported values: "", "Exact", "NotOlderThan"'
    ]
    initial = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
    assert await causes(watch="1", sendInitialEvents="true") == [initial]
    assert await causes(watch="1", sendInitialEvents="true", resourceVersionMatch="Exact") == [
        initial,
        'Unsupported value: "Exact": supported values: "NotOlderThan"',
    ]
    assert await causes(watch="1", resourceVersionMatch="NotOlderThan", **{"continue": "x"}) == [
        "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        "Forbidden: resourceVersionMatch is forbidden when continue is provided",
    ]
    assert await causes(sendInitialEvents="true") == ["Forbidden: sendInitialEvents is forbidden for list"]


async def _status(api: Api, token: str) -> dict[str, dict[str, str]]:
    import msgspec

    response = await api.call("GET", CONFIG_MAPS, query={"continue": token})
    tree: dict[str, dict[str, str]] = msgspec.json.decode(response.body)
    return tree


@story
async def test_a_version_not_yet_reached_is_a_timeout(api: Api) -> None:
    error = await api.error("GET", CONFIG_MAPS, query={"resourceVersion": "999999"})
    assert (error.code, error.reason) == (504, "Timeout")
    assert "Too large resource version: 999999" in error.message


@story
async def test_version_matches_are_checked(api: Api) -> None:
    await some(api, 1)
    now = str(api.revision)
    exact = {"resourceVersion": now, "resourceVersionMatch": "Exact"}
    assert names(await api.ok("GET", CONFIG_MAPS, query=exact)) == ["m0"]
    await api.ok("POST", CONFIG_MAPS, config_map("b"))
    forget_history(api)
    error = await api.error("GET", CONFIG_MAPS, query=exact)
    assert (error.code, error.reason) == (410, "Expired")
    assert error.message == f"The resourceVersion for the provided list is too old: {now}"
    assert (await api.error("GET", CONFIG_MAPS, query={"resourceVersionMatch": "Exact"})).code == 422
    assert (await api.error("GET", CONFIG_MAPS, query={"resourceVersion": "abc"})).code == 422


@story
async def test_tables_are_returned_to_clients_that_accept_them(api: Api) -> None:
    await some(api, 2)
    table = await api.ok("GET", CONFIG_MAPS, accept=TABLE)
    assert (table["kind"], [c["name"] for c in table["columnDefinitions"]]) == ("Table", ["Name", "Data", "Age"])
    assert [row["cells"][0] for row in table["rows"]] == ["m0", "m1"]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    one = await api.ok("GET", f"{CONFIG_MAPS}/m0", accept=TABLE, query={"includeObject": "Object"})
    assert one["rows"][0]["object"]["kind"] == "ConfigMap"
    error = await api.error("GET", CONFIG_MAPS, accept="application/vnd.kubernetes.protobuf;as=Table")
    assert (error.code, error.reason) == (406, "NotAcceptable")
    assert (await api.ok("GET", CONFIG_MAPS, accept="application/cbor,application/json"))["items"]


@story
async def test_metadata_alone(api: Api) -> None:
    await some(api, 1)
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    listing = await api.ok("GET", CONFIG_MAPS, accept=accept)
    assert listing["kind"] == "PartialObjectMetadataList"
    assert list(listing["items"][0]) == ["kind", "apiVersion", "metadata"]


@story
async def test_unserved_paths_are_not_found(api: Api) -> None:
    for path in ("/api/v1/quotas", "/api/v2/pods", "/apis/x/v1/pods", "/foo", f"{PODS}/a/b/c", "/api/v1/pods/a"):
        error = await api.error("GET", path)
        assert (error.code, error.message) == (404, "the server could not find the requested resource"), path
    assert (await api.error("POST", "/api/v1/configmaps", config_map("a"))).code == 405


def test_a_rendered_token_is_parsed_to_the_same_position() -> None:
    position = Position(12, "default/ä/x")
    assert parse_token(render_token(position)) == position
    with pytest.raises(StatusError):
        parse_token("e30")


def test_the_number_of_snapshots_is_bounded() -> None:
    snapshots = Snapshots(limit=2)
    for revision in (1, 2, 3):
        snapshots.add(("kind", "ns"), revision, ())
    assert [snapshots.find(("kind", "ns"), revision) for revision in (1, 2, 3)] == [None, (), ()]


@story
async def test_a_limit_below_one_is_none(api: Api) -> None:
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    for limit in ("0", "-1", "-99"):
        listed = await api.ok("GET", CONFIG_MAPS, query={"limit": limit})
        assert [item["metadata"]["name"] for item in listed["items"]] == ["a"]
        assert "continue" not in listed["metadata"]


@story
async def test_items_of_a_list_do_not_repeat_kind_and_version(api: Api) -> None:
    await some(api, 2)
    one = await api.ok("GET", f"{CONFIG_MAPS}/m0")
    listing = await api.ok("GET", CONFIG_MAPS)
    assert listing["kind"] == "ConfigMapList"
    assert {"kind": "ConfigMap", "apiVersion": "v1"} | listing["items"][0] == one
    assert "kind" not in listing["items"][0]
