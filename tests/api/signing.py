"""Signing requests and certificates for tests, as fields of bytes (base64 of PEM)."""

from __future__ import annotations

import base64
import datetime
import ipaddress
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

KEY = ec.generate_private_key(ec.SECP256R1())
"""The key of every request: making keys is what takes time."""


def name(common_name: str, *organizations: str) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in organizations]
    return x509.Name([*parts, *([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])])


def request(
    common_name: str = "ann", *organizations: str, dns: tuple[str, ...] = (), ips: tuple[str, ...] = (), **more: Any
) -> str:
    """Returns a request for the subject."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(name(common_name, *organizations))
    names: list[x509.GeneralName] = [x509.DNSName(each) for each in dns]
    names += [x509.IPAddress(ipaddress.ip_address(each)) for each in ips]
    names += [x509.RFC822Name(each) for each in more.get("emails", ())]
    names += [x509.UniformResourceIdentifier(each) for each in more.get("uris", ())]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return field(builder.sign(KEY, SHA256()).public_bytes(Encoding.PEM))


def field(pem: bytes) -> str:
    return base64.b64encode(pem).decode()


def key_pem() -> bytes:
    return KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def authority(*, until: float = 4e9) -> tuple[bytes, bytes]:
    """Returns certificate and key of an authority in PEM."""
    subject = name("test-ca")
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime.fromtimestamp(0, datetime.UTC))
        .not_valid_after(datetime.datetime.fromtimestamp(until, datetime.UTC))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(KEY, SHA256())
    )
    return made.public_bytes(Encoding.PEM), key_pem()


def certificate(text: str) -> x509.Certificate:
    """Returns the certificate in a field of bytes."""
    return x509.load_pem_x509_certificate(base64.b64decode(text))
