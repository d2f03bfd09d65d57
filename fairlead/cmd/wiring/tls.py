"""TLS contexts from the cluster's certificates."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fairlead.cmd.errors import CommandError


def server(pki: Path, name: str, *, require_client: bool) -> ssl.SSLContext:
    """Returns the context of a server with `<name>.crt`. Clients may, or must, have a certificate of our authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with _named(pki, name):
        context.load_verify_locations(pki / "ca.crt")
        context.load_cert_chain(pki / f"{name}.crt", pki / f"{name}.key")
    context.verify_mode = ssl.CERT_REQUIRED if require_client else ssl.CERT_OPTIONAL
    return context


def client(pki: Path, name: str) -> ssl.SSLContext:
    """Returns the context of a client with `<name>.crt` that trusts our authority only."""
    with _named(pki, name):
        context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        context.load_cert_chain(pki / f"{name}.crt", pki / f"{name}.key")
    return context


@contextmanager
def _named(pki: Path, name: str) -> Iterator[None]:
    """Adds the files to errors, because errors of OpenSSL name no file. Raises CommandError."""
    try:
        yield
    except OSError as e:  # ssl.SSLError is one
        files = f"{pki / 'ca.crt'}, {pki / name}.crt and {pki / name}.key"
        cure = "run `fairlead down` and `fairlead up`, which replaces damaged certificates"
        raise CommandError(f"one of {files} cannot be used ({e.strerror or e}); {cure}") from e
