"""Helpers for JSON patches that expressions make (MutatingAdmissionPolicy)."""

from __future__ import annotations

from fairlead.cel.functions import Overload, function


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


LIBRARY: list[Overload] = [
    function("jsonpatch.escapeKey", "string_escapekey_string", "string -> string", _escape),
]
