"""Tokens and protocols among the subprotocols of a WebSocket."""

from __future__ import annotations

import base64

import pytest

from fairlead.apiserver.serialization.subprotocols import choose_log_protocol, token_in, wants_websocket, without_token
from fairlead.machinery.values.status import StatusError

PREFIX = "base64url.bearer.authorization.k8s.io."


def coded(token: str) -> str:
    return PREFIX + base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


def test_a_token_among_the_subprotocols_is_found_and_kept_from_everybody_else() -> None:
    for token in ("a", "ab", "abc", "abcd", "ey.J-_."):
        header = f"{coded(token)}, binary.k8s.io,x"
        assert token_in(header) == token
        assert without_token(header) == ["binary.k8s.io", "x"]
    assert token_in("binary.k8s.io") == token_in("") == ""


def test_a_malformed_token_is_refused() -> None:
    for header, why in (
        (f"{coded('a')}, {coded('b')}, x", "multiple bearer tokens"),
        (coded("a"), "missing additional subprotocol"),
        (f"{PREFIX}, x", "invalid base64url"),
        (f"{coded('a')}=, x", "invalid base64url"),
        (f"{PREFIX}YQ!!, x", "invalid base64url"),
        (f"{PREFIX}A, x", "invalid base64url"),
        (f"{PREFIX}_w, x", "invalid base64url"),
    ):
        with pytest.raises(ValueError, match=why):
            token_in(header)


def test_logs_have_three_protocols() -> None:
    assert choose_log_protocol("") == choose_log_protocol(coded("a")) == ""
    assert choose_log_protocol("x, base64.binary.k8s.io, binary.k8s.io") == "base64.binary.k8s.io"
    with pytest.raises(StatusError) as refused:
        choose_log_protocol("v4.channel.k8s.io")
    assert refused.value.code == 403


def test_only_an_upgrade_to_websocket_is_one() -> None:
    assert wants_websocket({"connection": "keep-alive, Upgrade", "upgrade": "WebSocket"})
    assert not wants_websocket({"connection": "keep-alive", "upgrade": "websocket"})
    assert not wants_websocket({"connection": "upgrade", "upgrade": "SPDY/3.1"})
