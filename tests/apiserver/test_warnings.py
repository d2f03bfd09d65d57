from __future__ import annotations

from typing import Any

import pytest

from fairlead.apiserver.model import json_response, with_warnings

from .harness import CONFIG_MAPS, Api, config_map, events, story


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('unknown field "a"', '299 - "unknown field \\"a\\""'),
        ("a\0b\r\nc\x7fd\ud800", '299 - "a b  c d "'),
        ("a\\b", '299 - "a\\\\b"'),
        ("é", '299 - "é"'),
    ],
)
def test_a_warning_carries_nothing_that_a_header_may_not(text: str, wanted: str) -> None:
    assert with_warnings(json_response(b"{}"), [text]).headers["warning"] == wanted


@pytest.mark.slow
def test_the_warnings_of_an_answer_have_a_bound() -> None:
    few = with_warnings(json_response(b"{}"), ["x" * 1000] * 4).headers["warning"]
    many = with_warnings(json_response(b"{}"), ["\\" * 5000] * 1000).headers["warning"]
    assert len(few) > 4000
    assert len(many) < 4400
    assert with_warnings(json_response(b"{}"), ["y" * 9000]).headers["warning"] == '299 - "' + "y" * 256 + '"'


POLICIES = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/default/ingresses"


@story
async def test_a_kind_without_a_controller_gives_a_warning_and_an_event(api: Api) -> None:
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    for path, spec, kind in (
        (POLICIES, {"podSelector": {}}, "NetworkPolicy"),
        (INGRESSES, {"defaultBackend": backend}, "Ingress"),
    ):
        body: dict[str, Any] = {"metadata": {"name": "a"}, "spec": spec}
        watch = await api.watch("/api/v1/namespaces/default/events", resourceVersion="0")
        for method, where in (("POST", path), ("PUT", f"{path}/a")):
            response = await api.call(method, where, body)
            assert response.status in (200, 201)
            assert "no component of this cluster" in response.headers["warning"]
        (event,) = await events(watch, 1)
        watch.close()
        told = event["object"]
        assert told["involvedObject"]["kind"] == kind
        assert (told["type"], told["reason"]) == ("Warning", "NothingActs")
        assert told["message"] in response.headers["warning"]
        await api.ok("DELETE", f"/api/v1/namespaces/default/events/{told['metadata']['name']}")
    assert "warning" not in (await api.call("POST", CONFIG_MAPS, config_map("a"))).headers
