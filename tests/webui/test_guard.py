"""The decisions about origins, cookies and keys."""

from __future__ import annotations

import pytest

from fairlead.webui.guard import SECURITY, cookie_header, cookies_in, is_from, key_in, login_origin

HOST = "127.0.0.1:8080"
ORIGIN = f"http://{HOST}"
HANDSHAKE = {"host": HOST, "connection": "Upgrade", "upgrade": "websocket"}


@pytest.mark.parametrize(
    "origin", [ORIGIN, "http://localhost:81", "http://[::1]:81", "https://cluster.test:6443", "https://127.0.0.1"]
)
def test_a_page_of_a_loopback_address_or_over_https_may_log_in(origin: str) -> None:
    assert login_origin({"origin": origin, "host": origin.partition("//")[2]}) == origin


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("", HOST),
        ("null", HOST),
        ("http://evil.test", HOST),
        ("http://evil.test:8080", "evil.test:8080"),
        ("http://127.0.0.1.evil.test", "127.0.0.1.evil.test"),
        ("http://192.0.2.1", "192.0.2.1"),
        ("http://127.0.0.1:81", HOST),
        ("http://127.0.0.1:8080/", HOST),
        ("http://user@127.0.0.1:8080", HOST),
        ("ftp://127.0.0.1:8080", HOST),
    ],
)
def test_other_pages_may_not_log_in(origin: str, host: str) -> None:
    assert login_origin({"origin": origin, "host": host}) == ""


def test_a_request_must_come_from_the_page_of_the_login() -> None:
    assert is_from(ORIGIN, {"host": HOST, "origin": ORIGIN})
    assert is_from(ORIGIN, {"host": HOST})
    assert is_from(ORIGIN, {"host": HOST, "sec-fetch-site": "same-origin"})
    assert not is_from(ORIGIN, {"host": HOST, "origin": "http://127.0.0.1:9090"})
    assert not is_from(ORIGIN, {"host": HOST, "sec-fetch-site": "same-site"})
    assert not is_from(ORIGIN, {"host": HOST, "sec-fetch-site": "cross-site"})
    assert not is_from(ORIGIN, {"host": "evil.test", "origin": ORIGIN})
    assert not is_from(ORIGIN, {})


def test_a_websocket_must_name_its_origin() -> None:
    assert is_from(ORIGIN, HANDSHAKE | {"origin": ORIGIN})
    assert not is_from(ORIGIN, HANDSHAKE)


def test_the_key_is_a_header_or_a_subprotocol_of_a_websocket() -> None:
    assert key_in({"x-fairlead-key": "k"}) == "k"
    protocols = {"Sec-WebSocket-Protocol": "v5.channel.k8s.io, key.ui.fairlead.k"}
    assert key_in(HANDSHAKE | protocols) == "k"
    assert key_in(protocols) == ""
    assert key_in({}) == ""


def test_cookies_are_read_and_malformed_ones_left_out() -> None:
    assert cookies_in({"cookie": "a=1; b=2=3;c; =x"}) == {"a": "1", "b": "2=3", "": "x"}
    assert cookies_in({}) == {}


def test_the_cookie_is_hidden_from_scripts_and_secure_over_https() -> None:
    assert cookie_header("a", "b", secure=False, max_age_s=9) == "a=b; Path=/; Max-Age=9; HttpOnly; SameSite=Strict"
    assert cookie_header("a", "b", secure=True, max_age_s=9).endswith("; Secure")


def test_the_policy_allows_no_inline_code_and_nothing_from_elsewhere() -> None:
    policy = SECURITY["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert "http" not in policy
