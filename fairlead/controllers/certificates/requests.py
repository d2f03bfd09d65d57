"""Feeds controllers of certificate requests: before the first request exists, nothing is watched.

The controllers import the kind's types and the cryptography library at the first request, too: most clusters never have
one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fairlead.api.certificates.certificatesigningrequest import CERTIFICATE_SIGNING_REQUEST
from fairlead.controllers.context import Context
from fairlead.machinery.kinds.kind import Kind
from fairlead.runtime.informer import Informer

if TYPE_CHECKING:
    from fairlead.api.certificates.certificatesigningrequest.types import CertificateSigningRequest


class Requests:
    """The requests by name; every change calls `on_change` with the name."""

    def __init__(self, context: Context, on_change: Callable[[str], object]) -> None:
        self._context = context
        self._on_change = on_change
        self._informer: Informer[CertificateSigningRequest] | None = None
        context.scheme.on_use(self._follow)

    def get(self, name: str) -> CertificateSigningRequest | None:
        return self._informer.get(name) if self._informer is not None else None

    def _follow(self, kind: Kind[Any]) -> None:
        if kind is CERTIFICATE_SIGNING_REQUEST and self._informer is None:
            self._informer = self._context.informers.of(CERTIFICATE_SIGNING_REQUEST)
            self._informer.add_handler(lambda key, old, new: self._on_change(key) if new is not None else None)
