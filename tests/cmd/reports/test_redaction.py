"""Secrets in what a support bundle contains."""

from __future__ import annotations

import pytest

from fairlead.cmd.reports.redaction import REDACTED, redact_object, redact_text


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
        ("authorization: bearer abcdefghij", f"authorization: bearer {REDACTED}"),
        ("redis://:geheim@cache:6379/0", f"redis://{REDACTED}@cache:6379/0"),
        ("postgres://ann:ge@he/im@db", f"postgres://{REDACTED}@db"),
        ("Cookie: session=geheim; id=1", f"Cookie: {REDACTED}"),
        ("client-key-data: geheim", f"client-key-data: {REDACTED}"),
        ("AWS_SECRET_ACCESS_KEY=geheim", f"AWS_SECRET_ACCESS_KEY={REDACTED}"),
        ('password = "ge heim" next', f'password = "{REDACTED}" next'),
        ('{\\"apiKey\\":\\"geheim\\"}', f'{{\\"apiKey\\":\\"{REDACTED}\\"}}'),
        ("mysql --password geheim -h db", f"mysql --password {REDACTED} -h db"),
        ("https://b.example/o?X-Amz-Signature=geheim&a=1", f"https://b.example/o?X-Amz-Signature={REDACTED}&a=1"),
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


def test_fields_annotations_and_flags_with_telling_names_lose_their_values() -> None:
    obj = {
        "metadata": {"annotations": {"example.com/token": "geheim"}},
        "spec": {"clientSecret": "geheim", "password": "geheim", "args": ["--api-key", "geheim", "--port", "80"]},
    }
    assert redact_object(obj, "Example") == {
        "metadata": {"annotations": {"example.com/token": REDACTED}},
        "spec": {"clientSecret": REDACTED, "password": REDACTED, "args": ["--api-key", REDACTED, "--port", "80"]},
    }


def test_what_only_refers_to_a_secret_stays() -> None:
    spec = {
        "secretName": "db",
        "tokenPath": "/t",
        "secretKeyRef": {"name": "db", "key": "user"},
        "args": ["--token-ttl"],
    }
    assert redact_object({"spec": spec}, "Example") == {"spec": spec}


def test_the_copy_that_kubectl_keeps_of_an_applied_object_goes() -> None:
    note = "kubectl.kubernetes.io/last-applied-configuration"
    obj = {"metadata": {"name": "a", "annotations": {note: '{"stringData": {"k": "v"}}', "b": "c"}}}
    assert redact_object(obj, "Secret")["metadata"]["annotations"] == {"b": "c"}
