"""TLS contexts from the cluster's certificates."""

from __future__ import annotations

import ssl
from pathlib import Path


def server(pki: Path, name: str, *, require_client: bool) -> ssl.SSLContext:
    """Serves with `<name>.crt`; clients may, or must, show a certificate of our authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(pki / "ca.crt")
    context.load_cert_chain(pki / f"{name}.crt", pki / f"{name}.key")
    context.verify_mode = ssl.CERT_REQUIRED if require_client else ssl.CERT_OPTIONAL
    return context


def client(pki: Path, name: str) -> ssl.SSLContext:
    """Shows `<name>.crt` and trusts our authority only."""
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    context.load_cert_chain(pki / f"{name}.crt", pki / f"{name}.key")
    return context
