"""The format of JSON responses."""

from __future__ import annotations

import msgspec
import pytest

from fairlead.apiserver.serialization.printing import format_response
from fairlead.runtime.client import Request, Response

BODY = b'{"kind":"Status","items":[1],"empty":{}}'
INDENTED = b'{\n  "kind": "Status",\n  "items": [\n    1\n  ],\n  "empty": {}\n}'
JSON = {"content-type": "application/json"}


def body_of(query: dict[str, str] | None = None, headers: dict[str, str] | None = None, body: bytes = BODY) -> bytes:
    return format_response(Response(200, body, JSON), Request("GET", "/api", query or {}, headers or {})).body


def test_json_ends_with_one_newline() -> None:
    assert body_of() == body_of(body=BODY + b"\n") == BODY + b"\n"


@pytest.mark.parametrize("value", ["1", "t", "T", "true", "TRUE", "True"])
def test_pretty_indents_as_go_reads_booleans(value: str) -> None:
    assert body_of({"pretty": value}) == INDENTED
    assert msgspec.json.decode(INDENTED) == msgspec.json.decode(BODY)


@pytest.mark.parametrize("agent", ["curl/8.1", "Wget/1.21", "Mozilla/5.0 (X11; Linux x86_64)"])
def test_clients_of_people_get_indented_answers_unless_they_refuse(agent: str) -> None:
    assert body_of(headers={"user-agent": agent}) == body_of({"pretty": ""}, {"user-agent": agent}) == INDENTED
    for refusal in ("false", "0", "yes"):
        assert body_of({"pretty": refusal}, {"user-agent": agent}) == BODY + b"\n"
    assert body_of(headers={"user-agent": "kubectl/v1.36.0"}) == BODY + b"\n"


def test_the_accepted_media_type_may_ask_for_indentation() -> None:
    assert body_of(headers={"accept": "application/json;pretty=1, */*"}) == INDENTED
    assert body_of(headers={"accept": "application/json;pretty=0"}) == BODY + b"\n"


def test_other_media_types_and_empty_bodies_stay_as_they_are() -> None:
    asked = Request("GET", "/metrics", {"pretty": "true"}, {})
    for response in (Response(200, b"ok", {"content-type": "text/plain"}), Response(200, b"", JSON)):
        assert format_response(response, asked) is response
