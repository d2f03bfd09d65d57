"""The TLS side of connections to extension servers: this server's certificate, and whose certificates it accepts."""

from __future__ import annotations

import ssl
from functools import lru_cache

from fairlead.apiserver.settings import FrontProxy
from fairlead.apiserver.webhook.tls import client_context

_MOST_CONTEXTS = 200


class ExtensionTls:
    """Makes contexts, and keeps them because the connections of one context are used again."""

    def __init__(self, proxy: FrontProxy | None) -> None:
        self._proxy = proxy
        self.context = lru_cache(maxsize=_MOST_CONTEXTS)(self._make)

    def _make(self, ca_bundle: bytes, insecure: bool) -> ssl.SSLContext:
        """Returns a context. Raises ValueError for a bundle without a certificate, OSError for a lost file."""
        context = client_context(ca_bundle)
        if insecure:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if self._proxy is not None:
            context.load_cert_chain(self._proxy.certificate, self._proxy.key)
        return context
