"""Checks of the address of a webhook's server, which several groups declare by types that are alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, invalid, required

DEFAULT_PORT = 443
_FORM = "; desired format: https://host[/path]"


def client_errors(config: Any, path: str) -> Iterator[FieldError]:
    """Yields the errors of a webhook's address."""
    if (config.url is None) == (config.service is None):
        yield required(path, "exactly one of url or service is required")
    elif config.url is not None:
        yield from url_errors(config.url, f"{path}.url")
    elif config.service is not None:
        yield from service_errors(config.service, f"{path}.service")


def url_errors(url: str, path: str) -> Iterator[FieldError]:
    """Yields the errors of a webhook's URL."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as e:
        yield required(path, f'url must be a valid URL: parse "{url}": {e}{_FORM}')
        return
    if parts.scheme != "https":
        yield invalid(path, parts.scheme, f"'https' is the only allowed URL scheme{_FORM}")
    user, at, host = parts.netloc.rpartition("@")
    if not host:
        yield invalid(path, host, f"host must be specified{_FORM}")
    if at:
        yield invalid(path, user, "user information is not permitted in the URL")
    if parts.fragment:
        yield invalid(path, parts.fragment, "fragments are not permitted in the URL")
    if parts.query:
        yield invalid(path, parts.query, "query parameters are not permitted in the URL")


def service_errors(service: Any, path: str) -> Iterator[FieldError]:
    """Yields the errors of a webhook's Service."""
    if not service.name:
        yield required(f"{path}.name", "service name is required")
    if not service.namespace:
        yield required(f"{path}.namespace", "service namespace is required")
    port = DEFAULT_PORT if service.port is None else service.port
    if texts := names.port_number(port):
        yield invalid(f"{path}.port", port, f"port is not valid: {', '.join(texts)}")
    if service.path not in (None, "", "/"):
        yield from _path_errors(service.path or "", f"{path}.path")


def _path_errors(value: str, path: str) -> Iterator[FieldError]:
    if value == "//":
        yield invalid(path, value, "segment[0] may not be empty")
        return
    if not value.startswith("/"):
        yield invalid(path, value, "must start with a '/'")
    for i, step in enumerate(value[1:].removesuffix("/").split("/")):
        if not step:
            yield invalid(path, value, f"segment[{i}] may not be empty")
            continue
        yield from (invalid(path, value, f"segment[{i}]: {text}") for text in names.dns1123_subdomain(step))
