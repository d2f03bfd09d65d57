"""Access of a standalone program to an API server, from a kubeconfig or from a Pod's service account.

The server may be any, not only one of Fairlead. Supported credentials are certificates (files or embedded), a token,
and a token file, which is read again for each request because it is renewed. Other fields raise an error with the
field's name: programs that fetch credentials (`exec`, `auth-provider`), user names with passwords, impersonation,
proxies.

Embedded keys never touch a disk: Python's TLS needs a path, which refers to memory (memfd).
"""

from __future__ import annotations

import base64
import binascii
import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from fairlead.base.codec import CodecError, Fault, decode, wire
from fairlead.base.dataclass import dataclass
from fairlead.cmd.errors import CommandError
from fairlead.machinery.values.settings import read_settings

if TYPE_CHECKING:
    from fairlead.runtime.http import HttpTransport

T = TypeVar("T")

_POD_FILES = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_NOT_READ = {
    "exec": "programs that fetch credentials are not run",
    "auth-provider": "programs that fetch credentials are not run",
    "username": "user names with passwords are not sent",
    "password": "user names with passwords are not sent",
    "as": "other users are not impersonated",
    "as-uid": "other users are not impersonated",
    "as-groups": "other users are not impersonated",
    "as-user-extra": "other users are not impersonated",
    "proxy-url": "HTTP proxies are not used",
}


class BadAccess(CommandError):
    """A field that cannot be used: its path in the file, and the reason."""


@dataclass(frozen=True, slots=True)
class Access:
    """Address and credentials of an API server. `server` is a URL without a trailing slash."""

    server: str
    tls: ssl.SSLContext | None
    """None: plain HTTP."""
    token: Callable[[], str] | None = None
    """Returns the token; called before each request. Raises OSError."""
    server_name: str = ""
    """The name in the server's certificate, if it differs from the URL's host."""

    def transport(self, *, agent: str) -> HttpTransport:
        """Returns a transport with these credentials. `agent` is the program's name in the server's logs."""
        from fairlead.runtime.http import HttpTransport

        return HttpTransport(
            self.server,
            ssl_context=self.tls,
            headers={"User-Agent": agent},
            token=self.token,
            server_name=self.server_name,
        )


def read_kubeconfig(path: Path, *, context: str = "", credentials: bool = True) -> Access:
    """Returns the access of the context with this name, or else of `current-context`; without `credentials` that of an
    anonymous user. Raises BadAccess."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as e:
        raise BadAccess(f"{path}: is not a text in UTF-8: {e.reason}") from e
    except OSError as e:
        raise BadAccess(f"cannot read the kubeconfig {path}: {e.strerror}") from e
    try:
        file = read_settings(_File, text, root="kubeconfig", unknown=True)
        return _access(path, file, context or file.current_context, credentials=credentials)
    except CodecError as e:
        raise BadAccess(f"{path}: {e}") from e


def in_pod(environment: Mapping[str, str], files: Path = _POD_FILES) -> Access | None:
    """Returns the access of a Pod's service account, or None outside of a Pod. Raises BadAccess."""
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


@dataclass(frozen=True, slots=True)
class _Context:
    cluster: str = ""
    user: str = ""


@dataclass(frozen=True, slots=True)
class _Cluster:
    server: str = ""
    certificate_authority: str = wire("certificate-authority", default="")
    certificate_authority_data: str = wire("certificate-authority-data", default="")
    insecure: bool = wire("insecure-skip-tls-verify", default=False)
    server_name: str = wire("tls-server-name", default="")


@dataclass(frozen=True, slots=True)
class _User:
    client_certificate: str = wire("client-certificate", default="")
    client_certificate_data: str = wire("client-certificate-data", default="")
    client_key: str = wire("client-key", default="")
    client_key_data: str = wire("client-key-data", default="")
    token: str = ""
    tokenFile: str = ""


@dataclass(frozen=True, slots=True)
class _File:
    """A kubeconfig. Only the chosen entries are decoded, so errors in the others do not matter."""

    current_context: str = wire("current-context", default="")
    contexts: tuple[Any, ...] = ()
    clusters: tuple[Any, ...] = ()
    users: tuple[Any, ...] = ()


def _access(path: Path, file: _File, name: str, *, credentials: bool) -> Access:
    """Returns the access of the context with this name. Raises CodecError."""
    if not name:
        raise _fault("current-context", "is not set, and no context was named")
    context, where = _entry("contexts", file.contexts, "context", name, _Context)
    if not context.cluster:
        raise _fault(f"{where}.cluster", "is missing")
    cluster, at = _entry("clusters", file.clusters, "cluster", context.cluster, _Cluster)
    user, by = _User(), "users"
    if context.user and credentials:
        user, by = _entry("users", file.users, "user", context.user, _User)
    server = _server(cluster, at)
    tls = _tls(path.parent, cluster, at, user, by) if server.startswith("https:") else None
    return Access(server, tls, _token(path.parent, user, by), cluster.server_name)


def _entry(many: str, entries: Sequence[Any], one: str, name: str, kind: type[T]) -> tuple[T, str]:
    """Returns the entry of that name, and its path. Fields of other programs are ignored, as upstream does."""
    for index, entry in enumerate(entries):
        if isinstance(entry, dict) and entry.get("name") == name:
            where = f"{many}[{index}].{one}"
            tree = entry.get(one) or {}
            decoded = decode(kind, tree, unknown=True, nulls=True, root=where)
            for field, why in _NOT_READ.items():
                if tree.get(field):
                    raise _fault(f"{where}.{field}", f"is not supported: {why}")
            return decoded, where
    raise _fault(many, f'has no entry named "{name}"')


def _server(cluster: _Cluster, at: str) -> str:
    text = cluster.server.rstrip("/")
    if not text:
        raise _fault(f"{at}.server", "is missing")
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good:
        raise _fault(f"{at}.server", f'"{text}" is not a URL such as https://127.0.0.1:6443')
    return text


def _tls(folder: Path, cluster: _Cluster, at: str, user: _User, by: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    where = f"{at}.certificate-authority"
    authority = _data(folder, cluster.certificate_authority_data, cluster.certificate_authority, where)
    if cluster.insecure:
        if authority is not None:
            raise _fault(f"{at}.insecure-skip-tls-verify", "cannot go together with a certificate-authority")
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    elif authority is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            context.load_verify_locations(cadata=authority.decode("ascii"))
        except (ssl.SSLError, ValueError) as e:
            raise _fault(where, f"holds no certificates in PEM: {e}") from e
    shown = _data(folder, user.client_certificate_data, user.client_certificate, f"{by}.client-certificate")
    key = _data(folder, user.client_key_data, user.client_key, f"{by}.client-key")
    if (shown is None) != (key is None):
        missing = "client-key" if key is None else "client-certificate"
        raise _fault(f"{by}.{missing}", "is missing: a certificate and its key go together")
    if shown is not None and key is not None:
        try:
            _show(context, shown, key)
        except (ssl.SSLError, OSError) as e:
            raise _fault(f"{by}.client-certificate", f"and its key cannot be used: {e}") from e
    return context


def _token(folder: Path, user: _User, by: str) -> Callable[[], str] | None:
    if user.tokenFile:  # upstream's order: the file counts if both are given
        path = folder / user.tokenFile
        if not path.exists():
            raise _fault(f"{by}.tokenFile", f"{path} does not exist")
        return lambda: path.read_text(encoding="ascii").strip()
    token = user.token
    return (lambda: token) if token else None


def _data(folder: Path, encoded: str, file: str, where: str) -> bytes | None:
    """Returns the value of `<field>-data`, or else the file that the field names, relative to the kubeconfig."""
    if encoded:
        try:
            return base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError) as e:
            raise _fault(f"{where}-data", f"is not base64: {e}") from e
    if not file:
        return None
    try:
        return (folder / file).read_bytes()
    except OSError as e:
        raise _fault(where, f"cannot read {folder / file}: {e.strerror}") from e


def _fault(path: str, problem: str) -> CodecError:
    return CodecError(Fault(path, problem))


def _show(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Loads the client certificate into the context. Raises SSLError."""
    fd = os.memfd_create("client", os.MFD_CLOEXEC)
    try:
        os.write(fd, certificate.rstrip() + b"\n" + key)
        context.load_cert_chain(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)
