"""Names of signers: the built-in ones, and the check of any other. Source: upstream's `ValidateSignerName`."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.machinery.values import names
from fairlead.machinery.values.quoting import go_quote
from fairlead.machinery.values.status import FieldError, invalid, required

API_CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"
LEGACY_UNKNOWN = "kubernetes.io/legacy-unknown"
_NAME_MAX = names.SUBDOMAIN_MAX + 1 + names.LABEL_MAX + 1 + names.SUBDOMAIN_MAX
"""Length of a domain, a slash, a namespace, a dot and the name of an object."""


def signer_name_errors(name: str, path: str) -> Iterator[FieldError]:
    if not name:
        yield required(path)
        return
    if name.count("/") != 1:
        text = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        yield invalid(path, name, text)
        return
    domain, _, rest = name.partition("/")
    if len(domain) > names.SUBDOMAIN_MAX:
        yield FieldError(path, "TooLong", None, f"may not be more than {names.SUBDOMAIN_MAX} bytes")
    yield from _label_errors(domain, names.dns1123_label, path)
    if "." not in domain:
        yield invalid(path, domain, "should be a domain with at least two segments separated by dots")
    yield from _label_errors(rest, names.dns1123_subdomain, path)
    if len(name) > _NAME_MAX:
        yield FieldError(path, "TooLong", None, f"may not be more than {_NAME_MAX} bytes")


def _label_errors(segment: str, check: names.Check, path: str) -> Iterator[FieldError]:
    """Yields the errors of the first wrong label of a segment."""
    for label in segment.split("."):
        if texts := check(label):
            yield from (invalid(path, segment, f"validating label {go_quote(label)}: {text}") for text in texts)
            return
