"""The TLS side of calls: contexts for bundles of certificates, and TLS errors in the words of Go's client.

As in Go, each certificate of the bundle is an anchor of trust, even without the flag of an authority; names are those
of the subject alternative names; further demands of RFC 5280 on extensions are not checked.
"""

from __future__ import annotations

import ssl

_UNKNOWN = frozenset({2, 18, 19, 20, 21})
"""OpenSSL's verification errors (x509_vfy.h) for a missing or unknown issuer."""
_TIME = frozenset({9, 10})
_NAME = frozenset({62, 64})
_PLAIN_HTTP = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")


def client_context(ca_bundle: bytes) -> ssl.SSLContext:
    """Returns the context that trusts the bundle; the system's authorities if the bundle is empty. Raises ValueError
    for a bundle without a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.hostname_checks_common_name = False
    context.verify_flags = (context.verify_flags | ssl.VERIFY_X509_PARTIAL_CHAIN) & ~ssl.VERIFY_X509_STRICT
    context.set_alpn_protocols(["http/1.1"])
    if not ca_bundle:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(cadata=ca_bundle.decode("ascii"))
    except (ssl.SSLError, UnicodeDecodeError, ValueError) as e:
        raise ValueError("unable to load root certificates: unable to parse bytes as PEM block") from e
    return context


def tls_problem(error: ssl.SSLError, server_name: str) -> str:
    """Returns the text for a failed handshake."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"tls: failed to verify certificate: x509: {_certificate_problem(error, server_name)}"
    if error.reason in _PLAIN_HTTP:
        return "http: server gave HTTP response to HTTPS client"
    return f"tls: {(error.reason or str(error)).lower().replace('_', ' ')}"


def _certificate_problem(error: ssl.SSLCertVerificationError, server_name: str) -> str:
    if error.verify_code in _UNKNOWN:
        return "certificate signed by unknown authority"
    if error.verify_code in _TIME:
        return "certificate has expired or is not yet valid"
    if error.verify_code in _NAME:
        return f"certificate is not valid for the name {server_name}"
    return error.verify_message
