"""The server of a webhook, by URL or by a Service of the cluster."""

from typing import Annotated

import msgspec

from fairlead.api.meta.types import Base64, Int32, Record
from fairlead.machinery.kinds.kind import Doc

DEFAULT_PORT = 443


class ServiceReference(Record):
    """Service of the cluster whose endpoints serve a webhook."""

    namespace: Annotated[str, Doc("Namespace of the Service that serves the webhook.")] = msgspec.field(
        default_factory=str
    )
    name: Annotated[str, Doc("Name of the Service that serves the webhook.")] = msgspec.field(default_factory=str)
    path: Annotated[str, Doc("Path of the URL to which requests are sent.")] | None = None
    port: Annotated[Int32, Doc("Port of the Service that serves the webhook; default 443.")] | None = None


class WebhookClientConfig(Record):
    """Address of a webhook's server and the certificates that it is trusted by."""

    url: Annotated[str, Doc("URL of the webhook, in the form https://host[:port]/path; excludes `service`.")] | None = (
        None
    )
    service: (
        Annotated[ServiceReference, Doc("Service of the cluster that serves the webhook; excludes `url`.")] | None
    ) = None
    caBundle: Annotated[
        Base64, Doc("Certificates in PEM form that sign the server's; the system's authorities if empty.")
    ] = ""


def default_client(config: WebhookClientConfig) -> None:
    """Fills in the port of the Service."""
    if config.service is not None and config.service.port is None:
        config.service.port = DEFAULT_PORT
