"""Cluster names for `fairlead shell`: a resolv.conf mounted over the host's, in a mount namespace for the shell only.

The file is in the cluster's state directory; the bind mount bypasses the mode of that directory. With `ndots:5` a
short name is tried inside the cluster first, so `webui-svc.default` never reaches an upstream.
"""

from __future__ import annotations

import os
import sys

from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.cluster.paths import Paths, read_domain
from fairlead.net import linux

_RESOLV_CONF = "/etc/resolv.conf"
_NSSWITCH = "/etc/nsswitch.conf"


def write_files(config: ClusterConfig, paths: Paths) -> list[tuple[str, str]]:
    """Writes the files to bind; returns pairs of file and target. The state directory must be writable here."""
    domain = read_domain(paths.domain)
    servers = f"nameserver {config.dns_ip}\nsearch svc.{domain} {domain}\noptions ndots:5\n"
    bound = [(_write(paths, "resolv.conf", servers), _RESOLV_CONF)]
    names = _plain_lookups(_read(_NSSWITCH))
    if names:
        bound.append((_write(paths, "nsswitch.conf", names), _NSSWITCH))
    return bound


def bind(bound: list[tuple[str, str]]) -> None:
    """Bind-mounts the files for this process and its children. It must be in the node's namespaces already."""
    try:
        linux.unshare(linux.CLONE_NEWNS)
        linux.mount(None, "/", None, linux.MS_REC | linux.MS_PRIVATE)
        for source, target in bound:
            real = os.path.realpath(target)
            if os.path.exists(real):
                linux.mount(source, real, None, linux.MS_BIND)
    except OSError as e:  # a shell without names is better than none
        print(f"fairlead: cluster names cannot be resolved in this shell: {e}", file=sys.stderr)


def _plain_lookups(text: str) -> str:
    """Returns the text without modules that bypass resolv.conf and ask a daemon; empty if it has none of them."""
    lines = text.splitlines()
    changed = [
        "hosts: files dns" if line.startswith("hosts:") and ("resolve" in line or "mdns" in line) else line
        for line in lines
    ]
    return "".join(line + "\n" for line in changed) if changed != lines else ""


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _write(paths: Paths, name: str, text: str) -> str:
    path = paths.root / name
    temporary = path.with_name(f".{name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.chmod(0o644)
    temporary.rename(path)
    return str(path)
