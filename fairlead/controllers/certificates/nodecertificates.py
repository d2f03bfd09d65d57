"""The rules for certificates of nodes. Source of the texts: upstream's helpers of `certificates.k8s.io`."""

from __future__ import annotations

from collections.abc import Collection

from fairlead.api.certificates.certificatesigningrequest.request import Contents

_GROUP = "system:nodes"
_USER = "system:node:"
_CLIENT = frozenset({"digital signature", "key encipherment", "client auth"})
_SERVER = frozenset({"digital signature", "key encipherment", "server auth"})
_OPTIONAL = "key encipherment"
"""Usage that only RSA keys need."""


def client_problem(asked: Contents, usages: Collection[str]) -> str:
    """Returns the reason why the request is not for a client certificate of a node; empty if it is."""
    if asked.organizations != (_GROUP,):
        return f"subject organization is not {_GROUP}"
    for names, type in ((asked.dns, "DNS"), (asked.emails, "Email"), (asked.ips, "IP"), (asked.uris, "URI")):
        if names:
            return f"{type} subjectAltNames are not allowed"
    if not asked.common_name.startswith(_USER):
        return f"subject common name does not begin with {_USER}"
    return _usage_problem(usages, _CLIENT)


def serving_problem(asked: Contents, usages: Collection[str]) -> str:
    """Returns the reason why the request is not for a serving certificate of a node; empty if it is."""
    if asked.organizations != (_GROUP,):
        return f"subject organization is not {_GROUP}"
    if not asked.dns and not asked.ips:
        return "DNS or IP subjectAltName is required"
    for names, type in ((asked.emails, "Email"), (asked.uris, "URI")):
        if names:
            return f"{type} subjectAltNames are not allowed"
    if problem := _usage_problem(usages, _SERVER):
        return problem
    return "" if asked.common_name.startswith(_USER) else f"subject common name does not begin with {_USER}"


def _usage_problem(usages: Collection[str], needed: frozenset[str]) -> str:
    if set(usages) in (needed, needed - {_OPTIONAL}):
        return ""
    return f"usages did not match [{' '.join(sorted(needed))}]"
