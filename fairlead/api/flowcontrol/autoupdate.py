"""Facts of upstream's bootstrap configuration that flow schemas and priority levels share.

Two of each kind are mandatory: their specs are fixed. The others are suggested: users may change them, after they set
the annotation that gives the server the right to restore them to `false`.
"""

from __future__ import annotations

from fairlead.api.meta.types import ObjectMeta

AUTO_UPDATE = "apf.kubernetes.io/autoupdate-spec"
"""Annotation of an object whose spec the server restores if the value is `true`."""
MANDATORY = frozenset({"exempt", "catch-all"})
"""Names of the mandatory objects of both kinds."""


def initial_meta(name: str) -> ObjectMeta:
    return ObjectMeta(name=name, annotations={AUTO_UPDATE: "true"})
