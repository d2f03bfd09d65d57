"""The names that objects go by in caches and queues."""

from __future__ import annotations

from typing import Protocol


class Named(Protocol):
    """An object's metadata, as far as keys need it."""

    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...


def join_key(namespace: str, name: str) -> str:
    """Returns `namespace/name`, or `name` if there is no namespace."""
    return f"{namespace}/{name}" if namespace else name


def key_of(meta: Named) -> str:
    """Returns `namespace/name`, or `name` if there is no namespace."""
    # Informers ask for each object: written out, since a call costs as much as the rest.
    return f"{meta.namespace}/{meta.name}" if meta.namespace else meta.name


def split_key(key: str) -> tuple[str, str]:
    """Returns the namespace (empty if there is none) and the name."""
    namespace, _, name = key.rpartition("/")
    return namespace, name
