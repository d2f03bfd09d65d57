"""Webhook servers of the tests: HTTPS with a new certificate each, which record what they were sent."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Certificate:
    """A certificate that signs itself, with its key."""

    pem: bytes
    key: bytes

    @property
    def bundle(self) -> str:
        """The `caBundle` of a client that trusts the certificate."""
        return base64.b64encode(self.pem).decode()

    def context(self) -> ssl.SSLContext:
        with tempfile.TemporaryDirectory() as folder:
            files = Path(folder, "crt"), Path(folder, "key")
            files[0].write_bytes(self.pem)
            files[1].write_bytes(self.key)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*files)
        return context


def certificate(*names: str, until: dt.timedelta = _DAY) -> Certificate:
    """Returns a certificate for the names and addresses."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "webhook")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 2 * _DAY)
        .not_valid_after(now + until)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    return Certificate(
        made.public_bytes(encoding), key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@dataclass
class Hook:
    """A running webhook server."""

    url: str
    port: int
    certificate: Certificate
    reviews: list[dict[str, Any]] = field(default_factory=list)
    """The bodies of all requests, in their order."""
    peers: list[tuple[str, int]] = field(default_factory=list)
    """The address and port from which each request came: the same for requests on one connection."""
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


@asynccontextmanager
async def serving(
    handler: Handler, *, host: str = "127.0.0.1", names: tuple[str, ...] = (), made: Certificate | None = None
) -> AsyncIterator[Hook]:
    """Serves `handler` over TLS at `host`, on a free port."""
    made = made or certificate(host, *names)
    hook = Hook("", 0, made)

    async def noting(request: web.Request) -> web.StreamResponse:
        if request.transport is not None:
            hook.peers.append(request.transport.get_extra_info("peername")[:2])
        hook.paths.append(request.raw_path)
        hook.headers.append(dict(request.headers))
        if request.can_read_body and request.content_type == "application/json":
            hook.reviews.append(await request.json())
        return await handler(request)

    app = web.Application(client_max_size=64 << 20)
    app.router.add_route("*", "/{path:.*}", noting)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, host, 0, ssl_context=made.context())
    await site.start()
    hook.port = runner.addresses[0][1]
    hook.url = f"https://{host}:{hook.port}"
    try:
        yield hook
    finally:
        await runner.cleanup()
