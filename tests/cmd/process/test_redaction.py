"""Secrets in what a support bundle contains."""

from __future__ import annotations

import pytest

from fairlead.cmd.process.redaction import REDACTED, redact_object, redact_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer abcdefghij.k", f"Authorization: Bearer {REDACTED}"),
        ("Authorization: Basic dXNlcjpwYXNz", f"Authorization: Basic {REDACTED}"),
        ("token eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.abc-_d in a log", f"token {REDACTED} in a log"),
        ("https://ann:geheim@registry.example/v2", f"https://{REDACTED}@registry.example/v2"),
        ("PASSWORD=geheim next", f"PASSWORD={REDACTED} next"),
        ('{"password": "geheim", "a": 1}', f'{{"password": "{REDACTED}", "a": 1}}'),
        ("a\n-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY-----\nb", f"a\n{REDACTED}\nb"),
        ("-----BEGIN PRIVATE KEY-----\ncut off", REDACTED),
        ("GET https://127.0.0.1:6443/api/v1/pods 200", "GET https://127.0.0.1:6443/api/v1/pods 200"),
        ("the Bearer of news", "the Bearer of news"),
    ],
)
def test_texts_lose_what_grants_access(text: str, expected: str) -> None:
    assert redact_text(text) == expected


@pytest.mark.parametrize("kind", ["Secret", "ConfigMap"])
def test_data_become_their_sizes(kind: str) -> None:
    obj = {"metadata": {"name": "a"}, "data": {"k": "dmFsdWU="}, "binaryData": {"b": "AA=="}}
    assert redact_object(obj, kind) == {
        "metadata": {"name": "a"},
        "data": {"k": "<8 bytes>"},
        "binaryData": {"b": "<4 bytes>"},
    }


def test_data_of_other_kinds_stay() -> None:
    assert redact_object({"data": {"k": "v"}}, "ControllerRevision") == {"data": {"k": "v"}}


def test_variables_with_telling_names_lose_their_values() -> None:
    env = [{"name": "DB_PASSWORD", "value": "geheim"}, {"name": "PORT", "value": "80"}, {"name": "API_KEY"}]
    redacted = redact_object({"spec": {"containers": [{"name": "web", "env": env}]}}, "Pod")
    assert redacted["spec"]["containers"][0]["env"] == [
        {"name": "DB_PASSWORD", "value": REDACTED},
        {"name": "PORT", "value": "80"},
        {"name": "API_KEY"},
    ]


def test_the_copy_that_kubectl_keeps_of_an_applied_object_goes() -> None:
    note = "kubectl.kubernetes.io/last-applied-configuration"
    obj = {"metadata": {"name": "a", "annotations": {note: '{"stringData": {"k": "v"}}', "b": "c"}}}
    assert redact_object(obj, "Secret")["metadata"]["annotations"] == {"b": "c"}
