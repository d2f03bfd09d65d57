"""The names that objects go by in caches and queues. Free of I/O, so that plans may use it."""

from __future__ import annotations

from fairlead.api.meta.types import ObjectMeta


def key_of(meta: ObjectMeta) -> str:
    """`namespace/name`, or `name` where there is no namespace."""
    return f"{meta.namespace}/{meta.name}" if meta.namespace else meta.name


def split_key(key: str) -> tuple[str, str]:
    """Namespace (empty where there is none) and name."""
    namespace, _, name = key.rpartition("/")
    return namespace, name


def revision_of(meta: ObjectMeta) -> int:
    return int(meta.resourceVersion or 0)
