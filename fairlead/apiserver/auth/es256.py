"""ES256 signatures (RFC 7518, 3.4) by the libcrypto that Python's `ssl` has loaded, or else by `cryptography`.

The library `cryptography` costs every control plane 10 MB and 35 ms for one signature; libcrypto is in the process
already. If it cannot be reached (it is linked into the interpreter, say), `cryptography` does the same.

A key is a PEM text. Signatures are the 64 bytes that JSON Web Signatures have, not DER.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any, Protocol

_COORDINATE = 32
_POINT = 2 * _COORDINATE + 1


class Key(Protocol):
    """A P-256 key."""

    @property
    def public_der(self) -> bytes:
        """Returns the SubjectPublicKeyInfo."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Returns the signature. The key must be a private one."""
        ...

    def verify(self, data: bytes, signature: bytes) -> bool: ...


def load_key(pem: bytes) -> Key:
    """Returns a private or public key. Raises ValueError."""
    library = _libcrypto()
    return OpensslKey(pem, library) if library is not None else CryptographyKey(pem)


def point_of(public_der: bytes) -> tuple[bytes, bytes]:
    """Returns the coordinates of a P-256 public key. Raises ValueError for another kind of key."""
    point = public_der[-_POINT:]
    if len(public_der) != _POINT + 26 or point[0] != 4:  # RFC 5480: a fixed head of 26 bytes, then the point
        raise ValueError("not an uncompressed P-256 key")
    return point[1 : 1 + _COORDINATE], point[1 + _COORDINATE :]


class OpensslKey:
    """A key over libcrypto. Implements `Key`."""

    def __init__(self, pem: bytes, library: Any) -> None:
        self._lib = library
        source = library.BIO_new_mem_buf(pem, len(pem))
        read = library.PEM_read_bio_PrivateKey if b"PRIVATE KEY" in pem else library.PEM_read_bio_PUBKEY
        self._key = read(source, None, None, None)
        library.BIO_free(source)
        if not self._key:
            library.ERR_clear_error()
            raise ValueError("not a key in PEM")
        point_of(self.public_der)

    def __del__(self) -> None:
        if key := getattr(self, "_key", None):
            self._lib.EVP_PKEY_free(key)

    @property
    def public_der(self) -> bytes:
        size = self._lib.i2d_PUBKEY(self._key, None)
        buffer = ctypes.create_string_buffer(max(size, 1))
        at = ctypes.c_void_p(ctypes.addressof(buffer))
        self._lib.i2d_PUBKEY(self._key, ctypes.byref(at))
        return buffer.raw[:size]

    def sign(self, data: bytes) -> bytes:
        lib, context = self._lib, self._lib.EVP_MD_CTX_new()
        try:
            size = ctypes.c_size_t(128)
            buffer = ctypes.create_string_buffer(size.value)
            good = (
                lib.EVP_DigestSignInit(context, None, lib.EVP_sha256(), None, self._key) == 1
                and lib.EVP_DigestSign(context, buffer, ctypes.byref(size), data, len(data)) == 1
            )
            if not good:
                lib.ERR_clear_error()
                raise ValueError("libcrypto cannot sign with this key")
            return _raw(buffer.raw[: size.value])
        finally:
            lib.EVP_MD_CTX_free(context)

    def verify(self, data: bytes, signature: bytes) -> bool:
        if len(signature) != 2 * _COORDINATE:
            return False
        lib, context, der = self._lib, self._lib.EVP_MD_CTX_new(), _der(signature)
        try:
            return bool(
                lib.EVP_DigestVerifyInit(context, None, lib.EVP_sha256(), None, self._key) == 1
                and lib.EVP_DigestVerify(context, der, len(der), data, len(data)) == 1
            )
        finally:
            lib.ERR_clear_error()
            lib.EVP_MD_CTX_free(context)


class CryptographyKey:
    """A key over the library `cryptography`. Implements `Key`."""

    def __init__(self, pem: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

        private = load_pem_private_key(pem, None) if b"PRIVATE KEY" in pem else None
        public = private.public_key() if private is not None else load_pem_public_key(pem)
        if not isinstance(public, EllipticCurvePublicKey):
            raise ValueError("not an elliptic curve key")
        self._private = private if isinstance(private, EllipticCurvePrivateKey) else None
        self._public = public
        point_of(self.public_der)

    @property
    def public_der(self) -> bytes:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return self._public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, data: bytes) -> bytes:
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.hashes import SHA256

        if self._private is None:
            raise ValueError("a public key cannot sign")
        return _raw(self._private.sign(data, ECDSA(SHA256())))

    def verify(self, data: bytes, signature: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.hashes import SHA256

        if len(signature) != 2 * _COORDINATE:
            return False
        try:
            self._public.verify(_der(signature), data, ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


def _raw(der: bytes) -> bytes:
    """Returns r and s of a DER signature, 32 bytes each: SEQUENCE { INTEGER r, INTEGER s }."""
    first = der[4 : 4 + der[3]]
    second = der[6 + der[3] :]
    return b"".join(part.lstrip(b"\0").rjust(_COORDINATE, b"\0") for part in (first, second))


def _der(raw: bytes) -> bytes:
    body = b"".join(map(_integer, (raw[:_COORDINATE], raw[_COORDINATE:])))
    return bytes([0x30, len(body)]) + body


def _integer(value: bytes) -> bytes:
    """Returns a DER INTEGER: without leading zeros, but with one before a high bit."""
    digits = value.lstrip(b"\0") or b"\0"
    digits = b"\0" + digits if digits[0] & 0x80 else digits
    return bytes([2, len(digits)]) + digits


_POINTER, _SIZE, _NUMBER = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "BIO_new_mem_buf": (_POINTER, (ctypes.c_char_p, _NUMBER)),
    "BIO_free": (_NUMBER, (_POINTER,)),
    "PEM_read_bio_PrivateKey": (_POINTER, (_POINTER, _POINTER, _POINTER, _POINTER)),
    "PEM_read_bio_PUBKEY": (_POINTER, (_POINTER, _POINTER, _POINTER, _POINTER)),
    "EVP_PKEY_free": (None, (_POINTER,)),
    "i2d_PUBKEY": (_NUMBER, (_POINTER, _POINTER)),
    "EVP_MD_CTX_new": (_POINTER, ()),
    "EVP_MD_CTX_free": (None, (_POINTER,)),
    "EVP_sha256": (_POINTER, ()),
    "EVP_DigestSignInit": (_NUMBER, (_POINTER,) * 5),
    "EVP_DigestSign": (_NUMBER, (_POINTER, _POINTER, _POINTER, ctypes.c_char_p, _SIZE)),
    "EVP_DigestVerifyInit": (_NUMBER, (_POINTER,) * 5),
    "EVP_DigestVerify": (_NUMBER, (_POINTER, ctypes.c_char_p, _SIZE, ctypes.c_char_p, _SIZE)),
    "ERR_clear_error": (None, ()),
}


@cache
def _libcrypto() -> Any | None:
    """Returns the library with its functions declared, or None if Python's `ssl` does not lead to it."""
    import _ssl

    file = getattr(_ssl, "__file__", None)
    if file is None:
        return None
    try:
        library = ctypes.CDLL(file)
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError):
        return None
    return library
