"""How a program that runs alone reaches an API server: what a kubeconfig says, or what a Pod is given.

Any server, not only one of this program's own. Read are the fields by which a client proves itself without asking
anybody: certificates (files, or in the file itself), a token, a file with a token (read again, since it is renewed).
Rejected with the field's name, because half an answer would be a riddle later: programs that fetch credentials (`exec`,
`auth-provider`), user names with passwords, impersonation, proxies.

Keys given in the file itself never touch a disk: Python's TLS wants a path, and gets one of memory.
"""

from __future__ import annotations

import base64
import binascii
import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fairlead.cmd.errors import CommandError
from fairlead.machinery.yamltree import load_yaml

if TYPE_CHECKING:
    from fairlead.runtime.http import HttpTransport

_POD_FILES = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_NOT_READ = {
    "exec": "programs that fetch credentials are not run",
    "auth-provider": "programs that fetch credentials are not run",
    "username": "user names with passwords are not sent",
    "password": "user names with passwords are not sent",
    "as": "nobody is impersonated",
    "as-uid": "nobody is impersonated",
    "as-groups": "nobody is impersonated",
    "as-user-extra": "nobody is impersonated",
    "proxy-url": "no HTTP proxy is asked",
}


class BadAccess(CommandError):
    """What of the file cannot be used, by its path in the file, and why."""


@dataclass(frozen=True, slots=True)
class Access:
    """`server` is a URL without a path's trailing slash."""

    server: str
    tls: ssl.SSLContext | None
    """None: plain HTTP."""
    token: Callable[[], str] | None = None
    """To be asked before each request. Raises OSError."""
    server_name: str = ""
    """In the server's certificate, where it is not the URL's host."""

    def transport(self, *, agent: str) -> HttpTransport:
        """`agent` is the program's name, as the server's logs will show it."""
        from fairlead.runtime.http import HttpTransport

        return HttpTransport(
            self.server,
            ssl_context=self.tls,
            headers={"User-Agent": agent},
            token=self.token,
            server_name=self.server_name,
        )


def read_kubeconfig(path: Path, *, context: str = "") -> Access:
    """What the file's `current-context`, or the one named, leads to. Raises BadAccess."""
    try:
        text = path.read_bytes()
    except OSError as e:
        raise BadAccess(f"cannot read the kubeconfig {path}: {e.strerror}") from e
    try:
        tree = load_yaml(text)
    except ValueError as e:
        raise BadAccess(f"{path} is no YAML: {str(e).splitlines()[0]}") from e
    if not isinstance(tree, dict):
        raise BadAccess(f"{path} is no kubeconfig: it has no fields")
    return _Reader(path, tree).access(context)


def in_pod(environment: Mapping[str, str], files: Path = _POD_FILES) -> Access | None:
    """What a Pod's service account gives access to; None outside of a Pod. Raises BadAccess."""
    host, port = environment.get("KUBERNETES_SERVICE_HOST", ""), environment.get("KUBERNETES_SERVICE_PORT", "443")
    token = files / "token"
    if not host or not token.exists():
        return None
    try:
        tls = ssl.create_default_context(cafile=str(files / "ca.crt"))
    except (OSError, ssl.SSLError) as e:
        raise BadAccess(f"cannot use {files / 'ca.crt'}: {e}") from e
    shown = f"[{host}]" if ":" in host else host
    return Access(f"https://{shown}:{port}", tls, lambda: token.read_text(encoding="ascii").strip())


class _Reader:
    """One kubeconfig."""

    def __init__(self, path: Path, tree: Mapping[str, Any]) -> None:
        self._path = path
        self._tree = tree

    def access(self, context: str) -> Access:
        name = context or self._text(self._tree, "current-context", "")
        if not name:
            raise self._bad("current-context", "is not set, and no context was named")
        chosen, where = self._named("contexts", "context", name)
        cluster, at = self._named("clusters", "cluster", self._text(chosen, "cluster", where, required=True))
        user_name = self._text(chosen, "user", where)
        user, by = self._named("users", "user", user_name) if user_name else ({}, "users")
        for fields, prefix in ((cluster, at), (user, by)):
            for field, why in _NOT_READ.items():
                if fields.get(field):
                    raise self._bad(f"{prefix}.{field}", f"is not supported: {why}")
        server = self._server(cluster, at)
        tls = self._tls(cluster, at, user, by) if server.startswith("https:") else None
        return Access(server, tls, self._token(user, by), self._text(cluster, "tls-server-name", at))

    def _server(self, cluster: Mapping[str, Any], at: str) -> str:
        text = self._text(cluster, "server", at, required=True).rstrip("/")
        try:
            parts = urlsplit(text)
            good = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
        except ValueError:
            good = False
        if not good:
            raise self._bad(f"{at}.server", f'"{text}" is no URL such as https://127.0.0.1:6443')
        return text

    def _tls(self, cluster: Mapping[str, Any], at: str, user: Mapping[str, Any], by: str) -> ssl.SSLContext:
        context = ssl.create_default_context()
        authority = self._data(cluster, "certificate-authority", at)
        if cluster.get("insecure-skip-tls-verify"):
            if authority is not None:
                raise self._bad(f"{at}.insecure-skip-tls-verify", "cannot go together with a certificate-authority")
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        elif authority is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            try:
                context.load_verify_locations(cadata=authority.decode("ascii"))
            except (ssl.SSLError, ValueError) as e:
                raise self._bad(f"{at}.certificate-authority", f"holds no certificates in PEM: {e}") from e
        shown, key = self._data(user, "client-certificate", by), self._data(user, "client-key", by)
        if (shown is None) != (key is None):
            missing = "client-key" if key is None else "client-certificate"
            raise self._bad(f"{by}.{missing}", "is missing: a certificate and its key go together")
        if shown is not None and key is not None:
            try:
                _show(context, shown, key)
            except (ssl.SSLError, OSError) as e:
                raise self._bad(f"{by}.client-certificate", f"and its key cannot be used: {e}") from e
        return context

    def _token(self, user: Mapping[str, Any], by: str) -> Callable[[], str] | None:
        file = self._text(user, "tokenFile", by)
        if file:  # upstream's order: the file counts where both are given
            path = self._path.parent / file
            if not path.exists():
                raise self._bad(f"{by}.tokenFile", f"{path} does not exist")
            return lambda: path.read_text(encoding="ascii").strip()
        token = self._text(user, "token", by)
        return (lambda: token) if token else None

    def _data(self, fields: Mapping[str, Any], name: str, where: str) -> bytes | None:
        """Of `<name>-data`, or else of the file that `<name>` names, as seen from the kubeconfig."""
        encoded = self._text(fields, f"{name}-data", where)
        if encoded:
            try:
                return base64.b64decode(encoded, validate=True)
            except (binascii.Error, ValueError) as e:
                raise self._bad(f"{where}.{name}-data", f"is no base64: {e}") from e
        file = self._text(fields, name, where)
        if not file:
            return None
        try:
            return (self._path.parent / file).read_bytes()
        except OSError as e:
            raise self._bad(f"{where}.{name}", f"cannot read {self._path.parent / file}: {e.strerror}") from e

    def _named(self, many: str, one: str, name: str) -> tuple[Mapping[str, Any], str]:
        """The entry of that name, and its path."""
        found = self._tree.get(many) or []
        if not isinstance(found, list):
            raise self._bad(many, "is no list")
        for index, entry in enumerate(found):
            if isinstance(entry, dict) and entry.get("name") == name:
                inner = entry.get(one) or {}
                if not isinstance(inner, dict):
                    raise self._bad(f"{many}[{index}].{one}", "has no fields")
                return inner, f"{many}[{index}].{one}"
        raise self._bad(many, f'has no entry named "{name}"')

    def _text(self, fields: Mapping[str, Any], name: str, where: str, *, required: bool = False) -> str:
        value = fields.get(name) or ""
        path = f"{where}.{name}" if where else name
        if not isinstance(value, str):
            raise self._bad(path, "is no text")
        if required and not value:
            raise self._bad(path, "is missing")
        return value

    def _bad(self, field: str, why: str) -> BadAccess:
        return BadAccess(f"{self._path}: {field} {why}")


def _show(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Has the context show a certificate. Raises SSLError."""
    fd = os.memfd_create("client", os.MFD_CLOEXEC)
    try:
        os.write(fd, certificate.rstrip() + b"\n" + key)
        context.load_cert_chain(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)
