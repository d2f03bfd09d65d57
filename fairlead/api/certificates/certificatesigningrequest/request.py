"""The contents of a signing request (PKCS #10, RFC 2986). The cryptography library is imported at the first use."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from fairlead.api.certificates.pem import blocks, decode_base64
from fairlead.base.dataclass import dataclass

if TYPE_CHECKING:
    from cryptography import x509

_LABEL = "CERTIFICATE REQUEST"
_CERTIFICATE = "CERTIFICATE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Subject and alternative names of a request."""

    common_name: str
    organizations: tuple[str, ...]
    dns: tuple[str, ...]
    emails: tuple[str, ...]
    ips: tuple[str, ...]
    uris: tuple[str, ...]


def parse(text: str) -> x509.CertificateSigningRequest:
    """Returns the request in a field of bytes (base64 of PEM). Raises ValueError."""
    from cryptography import x509

    block = next(blocks(decode_base64(text)), None)
    if block is None or block.label != _LABEL:
        raise ValueError(f"PEM block type must be {_LABEL}")
    try:
        request = x509.load_der_x509_csr(block.data)
        _ = request.extensions, request.subject, request.public_key()
    except (ValueError, x509.DuplicateExtension, NotImplementedError) as error:
        raise ValueError(f"x509: malformed certificate request: {error}") from error
    return request


@lru_cache(maxsize=64)
def problem(text: str) -> str:
    """Returns the error of a request or of its signature; empty if the request is valid. An object is checked at every
    write, and its request never changes."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    try:
        request = parse(text)
    except ValueError as error:
        return str(error)
    try:
        if request.is_signature_valid:
            return ""
    except UnsupportedAlgorithm:
        return "x509: cannot verify signature: algorithm unimplemented"
    if isinstance(request.public_key(), rsa.RSAPublicKey):
        return "crypto/rsa: verification error"
    kind = "ECDSA" if isinstance(request.public_key(), ec.EllipticCurvePublicKey) else "Ed25519"
    return f"x509: {kind} verification failure"


def contents(text: str) -> Contents:
    """Returns subject and alternative names of a request. Raises ValueError."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    request = parse(text)
    named = [str(a.value) for a in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    organizations = tuple(str(a.value) for a in request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME))
    try:
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    return Contents(
        common_name=named[-1] if named else "",
        organizations=organizations,
        dns=tuple(names.get_values_for_type(x509.DNSName)),
        emails=tuple(names.get_values_for_type(x509.RFC822Name)),
        ips=tuple(str(ip) for ip in names.get_values_for_type(x509.IPAddress)),
        uris=tuple(names.get_values_for_type(x509.UniformResourceIdentifier)),
    )


@lru_cache(maxsize=64)
def certificate_problem(text: str) -> str:
    """Returns the error of issued certificates; empty if they are valid."""
    from cryptography import x509

    pem_blocks = list(blocks(decode_base64(text)))
    for block in pem_blocks:
        if block.label != _CERTIFICATE:
            return f'only {_CERTIFICATE} PEM blocks are allowed, found "{block.label}"'
        if block.has_headers:
            return "no PEM block headers are permitted"
        try:
            x509.load_der_x509_certificate(block.data)
        except ValueError:
            return "x509: malformed certificate"
    return "" if pem_blocks else f"must contain at least one {_CERTIFICATE} PEM block"


def ends_at(text: str) -> float | None:
    """Returns the time at which the first issued certificate ends; None without a certificate."""
    from cryptography import x509

    block = next(blocks(decode_base64(text)), None)
    if block is None:
        return None
    try:
        return x509.load_der_x509_certificate(block.data).not_valid_after_utc.timestamp()
    except ValueError:
        return None
