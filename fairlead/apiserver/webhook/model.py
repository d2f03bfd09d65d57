"""The target of a call, and the error of a call that got no answer."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from fairlead.base.dataclass import dataclass

DEFAULT_PORT = 443


@dataclass(frozen=True, slots=True)
class ServiceReference:
    """A port of a Service of the cluster, with a path of the server behind the port."""

    namespace: str
    name: str
    port: int = DEFAULT_PORT
    path: str = ""

    @property
    def server_name(self) -> str:
        """Returns the name that the server's certificate must have."""
        return f"{self.name}.{self.namespace}.svc"


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """A webhook's server: the Service or the URL, and the certificates that sign the server's."""

    service: ServiceReference | None = None
    url: str = ""
    ca_bundle: bytes = b""
    """Certificates in PEM form; if empty, the system's certificate authorities are trusted."""

    @property
    def full_url(self) -> str:
        """Returns the URL of the server, which for a Service has the name of the certificate as its host."""
        if self.service is None:
            return self.url
        path = f"/{self.service.path.lstrip('/')}" if self.service.path else ""
        return f"https://{self.service.server_name}:{self.service.port}{path}"


def target_of(config: Any) -> WebhookTarget:
    """Returns the target of a `clientConfig` of any group."""
    service = config.service
    try:
        bundle = base64.b64decode(config.caBundle)
    except (binascii.Error, ValueError):
        bundle = b""
    if service is None:
        return WebhookTarget(url=config.url or "", ca_bundle=bundle)
    reference = ServiceReference(service.namespace, service.name, service.port or DEFAULT_PORT, service.path or "")
    return WebhookTarget(service=reference, ca_bundle=bundle)


class CallError(Exception):
    """A call without a usable answer; the text says why, in the words of Go's HTTP client."""

    def __init__(self, text: str, *, timed_out: bool = False) -> None:
        super().__init__(text)
        self.timed_out = timed_out
