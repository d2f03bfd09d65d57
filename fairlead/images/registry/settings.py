"""The user's settings of registries, `registries.toml`, and the registries that a cluster may pull from.

[[registry]]
name = "docker.io"
mirrors = ["mirror.example.com", "http://127.0.0.1:5001/hub"]
insecure = false
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

from fairlead.base.codec import decode
from fairlead.base.dataclass import dataclass
from fairlead.images.errors import ImageError
from fairlead.images.reference import DOCKER_HUB, Reference

_HUB_HOST = "registry-1.docker.io"


@dataclass(frozen=True, slots=True)
class Registry:
    """One [[registry]] of the file."""

    name: str
    mirrors: tuple[str, ...] = ()
    """Hosts or URLs that are asked first, in this order."""
    insecure: bool = False
    """Certificates are not verified, and plain HTTP is used if HTTPS fails."""


@dataclass(frozen=True, slots=True)
class _File:
    registry: tuple[Registry, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server that may have the image."""

    url: str
    """The URL up to `/v2`, without a trailing slash."""
    host: str
    insecure: bool


@dataclass(frozen=True, slots=True)
class Registries:
    known: tuple[Registry, ...] = ()
    allowed: str = "host"
    """`host`: all that this machine reaches; `none`; or hosts separated by commas."""
    variable: str = ""
    """The environment variable that gives `allowed`; empty for the setting of a cluster."""

    def allows(self, host: str) -> bool:
        return self.allowed == "host" or host in self.allowed.split(",")

    @property
    def off(self) -> bool:
        return self.allowed == "none"

    def is_own(self, host: str) -> bool:
        """Returns True for a registry that the user has set up: one on this machine, or one in the settings."""
        named = {registry.name for registry in self.known} - {DOCKER_HUB}
        return is_loopback(host) or host in named or host in self.allowed.split(",")

    def endpoints(self, reference: Reference) -> list[Endpoint]:
        """Returns the servers to ask, in their order. Raises ImageError if none may be asked."""
        registry = next((r for r in self.known if r.name == reference.registry), Registry(reference.registry))
        found = [self._mirror(mirror, insecure=registry.insecure) for mirror in registry.mirrors]
        insecure = registry.insecure or is_loopback(reference.registry)
        host = _HUB_HOST if reference.registry == DOCKER_HUB else reference.registry
        found.append((Endpoint(f"https://{host}/v2", host, insecure), reference.registry))
        permitted = [endpoint for endpoint, name in found if self.allows(name)]
        if not permitted:
            raise ImageError(self._refusal(reference.registry))
        return permitted

    def _refusal(self, registry: str) -> str:
        load = "load the image with `fairlead image load`"
        if self.variable:
            return f"${self.variable} is {self.allowed}, which leaves out {registry}: {load}, or change the variable"
        return (
            f"nodes may not pull from {registry} (this cluster's registries: {self.allowed}): {load}, or start the "
            "cluster with other --registries"
        )

    def _mirror(self, text: str, *, insecure: bool) -> tuple[Endpoint, str]:
        scheme, _, rest = text.rpartition("://")
        host, _, path = rest.rstrip("/").partition("/")
        base = f"{scheme or 'https'}://{host}/v2" + (f"/{path}" if path else "")
        known = next((r for r in self.known if r.name == host), None)
        unsafe = insecure or scheme == "http" or is_loopback(host) or (known is not None and known.insecure)
        return Endpoint(base, host, unsafe), host


def is_loopback(host: str) -> bool:
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def read_registries(path: Path, *, allowed: str, variable: str = "") -> Registries:
    """Reads the file, which may be missing. Raises ImageError."""
    try:
        known = decode(_File, tomllib.loads(path.read_text(encoding="utf-8"))).registry
    except FileNotFoundError:
        known = ()
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: {error}") from error
    return Registries(known, allowed, variable)


def parse_allowed(text: str) -> str:
    """Returns the setting in its usual form. Raises ValueError."""
    if text in ("host", "none"):
        return text
    hosts: Sequence[str] = [part.strip() for part in text.split(",")]
    if not all(hosts) or any(re.search(r"[\s/]", host) for host in hosts) or {"host", "none"} & set(hosts):
        raise ValueError(f'"{text}": expected host, none, or HOST[:PORT],...')
    return ",".join(dict.fromkeys(hosts))
