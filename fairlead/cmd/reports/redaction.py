"""Removes secrets from what a support bundle contains. Pure.

What must stay true: neither the data of Secrets and ConfigMaps, nor tokens, passwords and private keys, nor the values
of variables, fields, flags and annotations with such names leave this module. A secret without a telling name or form,
such as `mysql -pSECRET`, is not recognized: so users look through the archive before they send it.
"""

from __future__ import annotations

import re
from typing import Any

REDACTED = "<redacted>"
_SECRET_NAME = re.compile(r"pass|pwd|secret|token|key|credential|auth|cookie|session", re.IGNORECASE)
"""Names of variables and HTTP headers."""
_WORD = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|credentials?|(?:api|access|private|secret|encryption|signing)[-_ ]?key"
)
_SECRET_FIELD = re.compile(rf"(?:{_WORD}|key-data|authorization|cookie|signature)$", re.IGNORECASE)
"""Names of fields and annotations; others, such as `secretName` and `tokenPath`, only refer to a secret."""
_SECRET_FLAG = re.compile(rf"--?[\w-]*(?:{_WORD})", re.IGNORECASE)
_TEXTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), REDACTED),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), REDACTED),
    (re.compile(r"\b(Bearer|Basic) [A-Za-z0-9+/=._~-]{8,}", re.IGNORECASE), rf"\1 {REDACTED}"),
    (re.compile(r"://[^/\s:@]*:[^\s\"']+@"), f"://{REDACTED}@"),
    (re.compile(r"\b((?:set-)?cookie: *)[^\r\n\"']+", re.IGNORECASE), rf"\1{REDACTED}"),
    (
        re.compile(
            rf"((?:{_WORD}|key-data|signature)\\?[\"']?\s*[=:]\s*)(?:(\\?[\"']).*?(?:\2|$)|[^\s\"',;}}&]+)",
            re.IGNORECASE | re.MULTILINE,
        ),
        rf"\1\2{REDACTED}\2",
    ),
    (re.compile(rf"(--?[\w-]*(?:{_WORD}) +)[^\s\"']+", re.IGNORECASE), rf"\1{REDACTED}"),
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
        before = [None, *value]
        return [_argument(one, flag) for flag, one in zip(before, value, strict=False)]
    return redact_text(value) if isinstance(value, str) else value


def _member(key: str, value: Any, around: dict[str, Any]) -> Any:
    name = around.get("name")
    is_variable = key == "value" and isinstance(name, str) and isinstance(value, str)
    if is_variable and _SECRET_NAME.search(name or ""):
        return REDACTED
    if isinstance(value, str) and value and _SECRET_FIELD.search(key):
        return REDACTED
    return _redact(value)


def _argument(value: Any, before: Any) -> Any:
    """Returns a member of a list; the one after a flag such as `--password` is the flag's value."""
    if isinstance(before, str) and isinstance(value, str) and _SECRET_FLAG.fullmatch(before):
        return REDACTED
    return _redact(value)
