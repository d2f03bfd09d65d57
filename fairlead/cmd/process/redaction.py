"""Removes secrets from what a support bundle contains. Pure.

What must stay true: neither the data of Secrets and ConfigMaps, nor tokens, passwords and private keys, nor the values
of environment variables with such names leave this module.
"""

from __future__ import annotations

import re
from typing import Any

REDACTED = "<redacted>"
_SECRET_NAME = re.compile(r"pass|secret|token|key|credential|auth", re.IGNORECASE)
_TEXTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), REDACTED),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), REDACTED),
    (re.compile(r"\b(Bearer|Basic) [A-Za-z0-9+/=._~-]{8,}"), rf"\1 {REDACTED}"),
    (re.compile(r"://[^/\s:@]+:[^/\s@]+@"), f"://{REDACTED}@"),
    (
        re.compile(r"((?:pass(?:word)?|secret|token)[\"']?\s*[=:]\s*[\"']?)[^\s\"',;}]+", re.IGNORECASE),
        rf"\1{REDACTED}",
    ),
)
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_DATA = ("data", "stringData", "binaryData")
_WITH_DATA = ("Secret", "ConfigMap")


def redact_text(text: str) -> str:
    """Returns a log or another text without tokens, passwords and private keys."""
    for pattern, by in _TEXTS:
        text = pattern.sub(by, text)
    return text


def redact_object(obj: dict[str, Any], kind: str) -> dict[str, Any]:
    """Returns an object of the API without secrets: data become their sizes, values of variables a mark."""
    redacted: dict[str, Any] = _redact(obj)
    if kind in _WITH_DATA:
        for name in _DATA:
            if isinstance(obj.get(name), dict):
                redacted[name] = {key: f"<{len(str(value))} bytes>" for key, value in obj[name].items()}
    return redacted


def _redact(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _member(key, one, value) for key, one in value.items() if key != _LAST_APPLIED}
    if isinstance(value, list):
        return [_redact(one) for one in value]
    return redact_text(value) if isinstance(value, str) else value


def _member(key: str, value: Any, around: dict[str, Any]) -> Any:
    name = around.get("name")
    is_variable = key == "value" and isinstance(name, str) and isinstance(value, str)
    if is_variable and _SECRET_NAME.search(name or ""):
        return REDACTED
    return _redact(value)
