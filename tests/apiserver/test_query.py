"""Booleans and integers in query strings."""

from __future__ import annotations

from .harness import CONFIG_MAPS, PODS, SERVICES, Api, config_map, events, pod, service, story

NUMBERS = ("٣", "1_0", "²", "x", "", " 1", "1.0", "0x1")


@story
async def test_a_boolean_is_false_if_absent_0_or_false_and_true_for_all_else(api: Api) -> None:
    for value in ("0", "false", "False", "FALSE"):
        assert (await api.ok("GET", CONFIG_MAPS, query={"watch": value}))["kind"] == "ConfigMapList"
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    for value in ("", "1", "true", "True", "t", "yes", "no", "f"):
        stream = await api.watch(CONFIG_MAPS, watch=value, resourceVersion="0")
        assert [event["type"] for event in await events(stream, 1)] == ["ADDED"], value
        stream.close()


@story
async def test_a_delete_reads_its_options_from_the_query_in_the_same_way(api: Api) -> None:
    for number in NUMBERS:
        await api.ok("POST", PODS, pod("a", nodeName="n1")) if number == NUMBERS[0] else None
        error = await api.error("DELETE", f"{PODS}/a", query={"gracePeriodSeconds": number})
        assert (error.code, error.message) == (400, f'strconv.ParseInt: parsing "{number}": invalid syntax')
    query = {"gracePeriodSeconds": "4", "orphanDependents": "False"}
    assert (await api.ok("DELETE", f"{PODS}/a", query=query))["metadata"]["deletionGracePeriodSeconds"] == 4


@story
async def test_integers_are_ascii_digits_with_a_sign(api: Api) -> None:
    await api.ok("POST", PODS, pod("a", nodeName="n1"))
    for name, path in (
        ("limit", PODS),
        ("timeoutSeconds", PODS),
        ("tailLines", f"{PODS}/a/log"),
        ("limitBytes", f"{PODS}/a/log"),
        ("sinceSeconds", f"{PODS}/a/log"),
    ):
        for number in NUMBERS:
            error = await api.error("GET", path, query={name: number})
            text = f'strconv.ParseInt: parsing "{number}": invalid syntax'
            assert (error.code, error.message) == (400, text), name
    for number in ("٣", "1_0", "²"):
        assert (await api.error("GET", PODS, query={"resourceVersion": number})).code == 422
        assert (await api.error("GET", PODS, query={"continue": number})).code == 400


@story
async def test_ports_are_ascii_digits(api: Api) -> None:
    await api.ok("POST", SERVICES, service("web"))
    await api.ok("POST", PODS, pod("a"))
    for port in ("²", "٣", "8_0"):
        error = await api.error("GET", f"{SERVICES}/web:{port}/proxy/")
        assert (error.code, error.message) == (503, 'no endpoints available for service "web:' + port + '"')
        error = await api.error("GET", f"{PODS}/a:{port}/proxy/")
        assert (error.code, error.message) == (400, f'invalid port "{port}"')


@story
async def test_the_cost_of_a_pods_deletion_is_a_32_bit_integer(api: Api) -> None:
    for cost in ("٣", "1_0", "+5", "007", "", "x", "2147483648"):
        body = pod("a")
        body["metadata"]["annotations"] = {"controller.kubernetes.io/pod-deletion-cost": cost}
        error = await api.error("POST", PODS, body)
        (cause,) = error.details["causes"]
        assert cause["field"] == "metadata.annotations[controller.kubernetes.io/pod-deletion-cost]"
        assert cause["message"] == f'Invalid value: "{cost}": must be a 32bit integer'
    for cost in ("0", "-5", "2147483647"):
        body = pod(f"a{cost}")
        body["metadata"]["annotations"] = {"controller.kubernetes.io/pod-deletion-cost": cost}
        await api.ok("POST", PODS, body)
