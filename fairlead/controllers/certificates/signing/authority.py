"""Signs certificates with the cluster's authority. The cryptography library is imported at the first use.

As upstream's `PermissiveSigningPolicy`: subject, alternative names and key are the request's; other extensions of the
request are dropped; usages are those of the object.
"""

from __future__ import annotations

import base64
from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fairlead.api.certificates.certificatesigningrequest.request import parse
from fairlead.base.dataclass import dataclass
from fairlead.controllers.certificates.signing.plan import Validity

if TYPE_CHECKING:
    from cryptography import x509

_FLAGS = {
    "signing": "digital_signature",
    "digital signature": "digital_signature",
    "content commitment": "content_commitment",
    "key encipherment": "key_encipherment",
    "key agreement": "key_agreement",
    "data encipherment": "data_encipherment",
    "cert sign": "key_cert_sign",
    "crl sign": "crl_sign",
    "encipher only": "encipher_only",
    "decipher only": "decipher_only",
}
"""Flags of the extension KeyUsage by the usage that sets them (RFC 5280, section 4.2.1.3)."""
_ONLY = ("encipher_only", "decipher_only")
"""Flags without a meaning if key_agreement is not set."""
_PURPOSES = {
    "any": "2.5.29.37.0",
    "server auth": "1.3.6.1.5.5.7.3.1",
    "client auth": "1.3.6.1.5.5.7.3.2",
    "code signing": "1.3.6.1.5.5.7.3.3",
    "email protection": "1.3.6.1.5.5.7.3.4",
    "s/mime": "1.3.6.1.5.5.7.3.4",
    "ipsec end system": "1.3.6.1.5.5.7.3.5",
    "ipsec tunnel": "1.3.6.1.5.5.7.3.6",
    "ipsec user": "1.3.6.1.5.5.7.3.7",
    "timestamping": "1.3.6.1.5.5.7.3.8",
    "ocsp signing": "1.3.6.1.5.5.7.3.9",
    "microsoft sgc": "1.3.6.1.4.1.311.10.3.3",
    "netscape sgc": "2.16.840.1.113730.4.1",
}
"""Purposes of the extension ExtendedKeyUsage by the usage that sets them, in upstream's order."""


@dataclass(frozen=True, slots=True)
class AuthorityFiles:
    """Certificate and key of an authority in PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """The cluster's authority."""

    def __init__(self, files: AuthorityFiles) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        self._certificate = x509.load_pem_x509_certificate(files.certificate)
        self._key: Any = load_pem_private_key(files.key, None)

    @property
    def end(self) -> float:
        """The end of the authority's certificate."""
        return self._certificate.not_valid_after_utc.timestamp()

    def sign(self, request: str, usages: Collection[str], validity: Validity) -> str:
        """Returns the certificate as a field of bytes (base64 of PEM). Raises ValueError for a malformed request."""
        from cryptography import x509
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.serialization import Encoding

        asked = parse(request)
        builder = (
            x509.CertificateBuilder()
            .subject_name(asked.subject)
            .issuer_name(self._certificate.subject)
            .public_key(asked.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_time(validity.begin))
            .not_valid_after(_time(validity.end))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        for extension, critical in _extensions(asked, usages):
            builder = builder.add_extension(extension, critical=critical)
        return base64.b64encode(builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM)).decode("ascii")


def _extensions(asked: x509.CertificateSigningRequest, usages: Collection[str]) -> list[tuple[Any, bool]]:
    """Returns the extensions for usages and alternative names, and whether each is critical."""
    from cryptography import x509

    found: list[tuple[Any, bool]] = []
    flags = {_FLAGS[usage] for usage in usages if usage in _FLAGS}
    if "key_agreement" not in flags:
        flags -= set(_ONLY)
    if flags:
        found.append((x509.KeyUsage(**{name: name in flags for name in set(_FLAGS.values())}), True))
    purposes = dict.fromkeys(oid for usage, oid in _PURPOSES.items() if usage in usages)
    if purposes:
        found.append((x509.ExtendedKeyUsage([x509.ObjectIdentifier(oid) for oid in purposes]), False))
    try:
        names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return found
    return [*found, (names.value, not list(asked.subject))]


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
