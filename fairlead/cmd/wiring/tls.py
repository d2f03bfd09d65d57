"""TLS contexts from the cluster's certificates."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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


def prepare(pki: Path) -> bool:
    """Makes OpenSSL load what the first handshake of a process needs (1.6 MB), so that processes forked later share it.

    Returns whether there was a handshake. Files that cannot be used are reported by the processes that need them.
    OpenSSL (1.1.1 and later) seeds its random numbers anew after a fork.
    """
    with suppress(CommandError, OSError):
        _shake_hands(server(pki, "apiserver", require_client=True), client(pki, "relay"))
        return True
    return False


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1"),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    with suppress(ssl.SSLWantReadError):
        ends[0].do_handshake()
    with suppress(ssl.SSLWantReadError):
        ends[1].do_handshake()
    for end in ends:  # TLS 1.3: each side's second step is its last
        end.do_handshake()


@contextmanager
def _named(pki: Path, name: str) -> Iterator[None]:
    """Adds the files to errors, because errors of OpenSSL name no file. Raises CommandError."""
    try:
        yield
    except OSError as e:  # ssl.SSLError is one
        files = f"{pki / 'ca.crt'}, {pki / name}.crt and {pki / name}.key"
        cure = "run `fairlead down` and `fairlead up`, which replaces damaged certificates"
        raise CommandError(f"one of {files} cannot be used ({e.strerror or e}); {cure}") from e
