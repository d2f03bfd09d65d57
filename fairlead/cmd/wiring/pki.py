"""The cluster's certificates, made once and kept in `pki/`.

`issued.json` records the names and addresses of each certificate, so that a start with nothing to do reads one small
file and does not import the cryptography library (50 ms). A certificate is made anew if its names changed, it is about
to expire, or its file was changed. The authority is never replaced as long as the cluster exists.

What must stay true: no change of the machine's clock by days makes a certificate invalid. Certificates begin ten years
before they are made and end ten years after; the authority, whose copies in kubeconfigs cannot be renewed, does not end
(RFC 5280, section 4.1.2.5). Rejected: renewal while the cluster runs, which would reach neither kubeconfigs nor the
time before the renewal.
"""

from __future__ import annotations

import json
from collections.abc import Set
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from fairlead.base.clock import Clock
from fairlead.base.codec import encode
from fairlead.base.dataclass import dataclass
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.cluster.paths import make_private, write_private
from fairlead.cmd.errors import CommandError

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate, Name

    from fairlead.apiserver.auth.keyset import KeySet
    from fairlead.net.model import ClusterNetwork

DAY_S = 86400
VALID_DAYS = 3650
"""Validity of a certificate in days, both before and after the day on which it is made."""
AUTHORITY = frozenset({"ca.crt", "ca.key"})
TOKEN_SIGNER = "service-account"
"""The file whose key signs service-account tokens."""
SYMMETRIC = "sa.key"
"""The key of service-account tokens in clusters that were made before `service-account.key`. Their tokens are valid
until they expire."""
RENEW_DAYS = 60
_KEY_BYTES = 32
_FILES = "files"
"""Member of `issued.json`: the checksum of each file. It detects a swapped file, not a forged one."""
_NO_END = (9999, 12, 31, 23, 59, 59)


@dataclass(frozen=True, slots=True)
class CertificateSpec:
    """One certificate: its subject, and the names and addresses of a server."""

    file: str
    common_name: str
    organization: str = ""
    dns: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    authority: str = "ca"
    """The file of the authority that signs the certificate."""


def certificate_specs(config: ClusterConfig) -> list[CertificateSpec]:
    network = config.network()
    service = "kubernetes.default.svc"
    api = CertificateSpec(
        "apiserver",
        "kube-apiserver",
        dns=("localhost", "kubernetes", "kubernetes.default", service, f"{service}.cluster.local"),
        ips=("127.0.0.1", str(network.kubernetes_ip), *_gateways(network), *filter(None, [config.api_address])),
    )
    nodes = [
        CertificateSpec(
            f"node-{name}", f"system:node:{name}", "system:nodes", dns=(name,), ips=(str(network.node_ips(i)[0]),)
        )
        for i, name in enumerate(config.node_names, 1)
    ]
    return [
        api,
        CertificateSpec("admin", "kubernetes-admin", "system:masters"),
        CertificateSpec("kubelet-client", "kube-apiserver-kubelet-client"),
        CertificateSpec("kube-proxy", "system:kube-proxy"),
        CertificateSpec("relay", "system:fairlead:relay"),
        CertificateSpec(TOKEN_SIGNER, "system:service-account-issuer"),
        CertificateSpec("front-proxy-client", "front-proxy-client", authority="front-proxy-ca"),
        *nodes,
    ]


def _gateways(network: ClusterNetwork) -> list[str]:
    """Returns the addresses at which the cluster's own components and Pods reach the API server."""
    return sorted({str(network.gateway), str(network.control_ip)})


def missing(config: ClusterConfig, folder: Path, *, clock: Clock) -> list[CertificateSpec]:
    """Returns the certificates to be made; all of them if there is no authority yet.

    Raises CommandError if a file of the authority is not the one that was written.
    """
    every = certificate_specs(config)
    issued = _issued(folder)
    sums = _whole(folder)
    if not issued or not sums.keys() >= AUTHORITY:
        return every
    swapped = {name for name, written in issued.get(_FILES, {}).items() if sums.get(name, written) != written}
    if wrong := sorted(swapped & {*AUTHORITY, SYMMETRIC}):
        cure = f"restore the file, or let all certificates be made anew: rm -r {folder}"
        raise CommandError(f"{folder / wrong[0]} is not the file that this cluster was made with: {cure}")
    now = clock.now()

    def good(want: CertificateSpec) -> bool:
        have = issued.get(want.file)
        return (
            isinstance(have, dict)
            and {f"{file}.{end}" for file in (want.file, want.authority) for end in ("crt", "key")}
            <= sums.keys() - swapped
            and have.get("for") == json.loads(json.dumps(encode(CertificateSpec, want)))
            and float(have.get("from", 0)) <= now
            and float(have.get("until", 0)) > now + RENEW_DAYS * DAY_S
        )

    return [want for want in every if not good(want)]


def token_keys(folder: Path) -> KeySet:
    """Returns the keys of service-account tokens. `service-account.key` signs; the public keys in
    `service-account-*.pub`, of earlier keys, verify."""
    from fairlead.apiserver.auth.keyset import KeySet

    older = [path.read_bytes() for path in sorted(folder.glob(f"{TOKEN_SIGNER}-*.pub"))]
    symmetric = (folder / SYMMETRIC).read_bytes() if SYMMETRIC in _whole(folder) else b""
    return KeySet((folder / f"{TOKEN_SIGNER}.key").read_bytes(), older, symmetric=symmetric)


def make(wants: list[CertificateSpec], folder: Path, *, clock: Clock) -> None:
    """Makes the certificates of `missing`, and the authority if it does not exist."""
    make_private(folder)
    whole = _whole(folder)
    issuers = {
        name: _Issuer(folder, clock, name, there={f"{name}.crt", f"{name}.key"} <= whole.keys())
        for name in sorted({want.authority for want in wants})
    }
    issued = _issued(folder)
    _keep_token_key(folder, {want.file for want in wants}, genuine=issued.get(_FILES, {}).items() & whole.items())
    for want in wants:
        made = issuers[want.authority].issue(want)
        begin, end = made.not_valid_before_utc.timestamp(), made.not_valid_after_utc.timestamp()
        issued[want.file] = {"for": encode(CertificateSpec, want), "from": begin, "until": end}
    issued[_FILES] = _whole(folder)
    write_private(folder / "issued.json", json.dumps(issued, indent=1).encode())


def _keep_token_key(folder: Path, renewed: Set[str], *, genuine: Set[tuple[str, int]]) -> None:
    """Writes the public key beside a signer that is about to be replaced, so that its tokens stay valid."""
    file = f"{TOKEN_SIGNER}.crt"
    if TOKEN_SIGNER not in renewed or file not in {name for name, _ in genuine}:
        return
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from cryptography.x509 import load_pem_x509_certificate

    certificate = load_pem_x509_certificate((folder / file).read_bytes())
    pem = certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    write_private(folder / f"{TOKEN_SIGNER}-{certificate.serial_number:x}.pub", pem)


def _issued(folder: Path) -> dict[str, Any]:
    """Returns the contents of `issued.json`; empty if the file is absent or damaged."""
    try:
        tree = json.loads((folder / "issued.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return tree if isinstance(tree, dict) else {}


def _whole(folder: Path) -> dict[str, int]:
    """Returns the names and checksums of the keys and certificates that have their first and last lines.

    A truncated file, e.g. after a full disk, counts as absent: an empty key would be worse than a missing one.
    """
    sums = {}
    for path in folder.iterdir() if folder.exists() else ():
        text = path.read_bytes().strip()
        if path.name == SYMMETRIC:
            good = len(text) == 2 * _KEY_BYTES and not text.strip(b"0123456789abcdef")
        else:
            good = text.startswith(b"-----BEGIN ") and text.endswith(b"-----")
        if good:
            sums[path.name] = crc32(text)
    return sums


class _Issuer:
    """A certificate authority, read from the folder or made there."""

    def __init__(self, folder: Path, clock: Clock, name: str, *, there: bool) -> None:
        self._folder = folder
        self._name = name
        self._clock = clock
        if there:
            self._key, self._certificate = self._read()
        else:
            self._key, self._certificate = self._create()

    def issue(self, want: CertificateSpec) -> Certificate:
        """Writes the certificate and its key."""
        from cryptography import x509
        from cryptography.x509.oid import ExtendedKeyUsageOID

        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if want.dns or want.ips:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
        key = _new_key()
        builder = (
            self._builder(_name(want.common_name, want.organization), key, self._certificate.subject)
            .not_valid_before(self._day(-VALID_DAYS))
            .not_valid_after(self._day(VALID_DAYS))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        )
        names = _alternative_names(want)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(authority, critical=False)  # Python 3.13 requires this extension
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = _sign(builder, self._key)
        self._write(want.file, key, certificate)
        return certificate

    def _create(self) -> tuple[EllipticCurvePrivateKey, Certificate]:
        from datetime import UTC, datetime

        from cryptography import x509

        key = _new_key()
        subject = _name(f"fairlead-{self._name}")
        builder = (
            self._builder(subject, key, subject)
            .not_valid_before(self._day(-VALID_DAYS))
            .not_valid_after(datetime(*_NO_END, tzinfo=UTC))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        certificate = _sign(builder, key)
        self._write(self._name, key, certificate)
        return key, certificate

    def _read(self) -> tuple[EllipticCurvePrivateKey, Certificate]:
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        key = load_pem_private_key((self._folder / f"{self._name}.key").read_bytes(), None)
        if not isinstance(key, EllipticCurvePrivateKey):
            raise ValueError(f"{self._folder / self._name}.key is not an elliptic curve key")
        return key, x509.load_pem_x509_certificate((self._folder / f"{self._name}.crt").read_bytes())

    def _builder(self, subject: Name, key: EllipticCurvePrivateKey, issuer: Name) -> Any:
        from cryptography import x509

        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
        )

    def _day(self, offset: int) -> datetime:
        """Returns the date `offset` days from now, at least 1970, which clocks without a battery start with."""
        from datetime import UTC, datetime

        return datetime.fromtimestamp(max(0, int(self._clock.now()) + offset * DAY_S), UTC)

    def _write(self, file: str, key: EllipticCurvePrivateKey, certificate: Certificate) -> None:
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private(self._folder / f"{file}.key", pem)
        write_private(self._folder / f"{file}.crt", certificate.public_bytes(Encoding.PEM))


def _new_key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _sign(builder: Any, key: EllipticCurvePrivateKey) -> Certificate:
    from cryptography.hazmat.primitives.hashes import SHA256

    certificate: Certificate = builder.sign(key, SHA256())
    return certificate


def _name(common_name: str, organization: str = "") -> Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _alternative_names(want: CertificateSpec) -> list[Any]:
    from ipaddress import ip_address

    from cryptography import x509

    return [*map(x509.DNSName, want.dns), *(x509.IPAddress(ip_address(ip)) for ip in want.ips)]


def _key_usage(*, signs_certificates: bool) -> Any:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
