"""Images of real servers, built from the packages of this machine without an engine: as public images are made, with
an entry point that changes to the server's user."""

from __future__ import annotations

import glob
import os
import shutil
import tarfile
from collections.abc import Iterable
from typing import Any

import pytest

from tests.images.imagemaker import (
    Built,
    build,
    entry,
    file_of,
    files_below,
    folder,
    gzipped,
    link,
    program_files,
    tar_of,
)

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_APPLETS = ("cat", "chmod", "chown", "echo", "find", "grep", "id", "ls", "mkdir", "rm", "sh", "sleep", "stat", "touch")

DROPS = """#!/bin/sh
set -e
if [ "$(id -u)" = 0 ]; then
    find {home} \\! -user {user} -exec chown {user} '{{}}' +
    exec {change} "$0" "$@"
fi
echo "started as $(id -un), home of $(stat -c %U {home})"
{start}
"""
"""The entry point of many public images: it starts itself again as the server's user."""


def program(name: str) -> str:
    path = shutil.which(name, path=_PATH)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def _layer(files: Iterable[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """A layer without files that come twice, such as libraries."""
    return tar_of(*{info.name: (info, data) for info, data in files}.values())


def _base(user: str, number: int, home: str) -> bytes:
    """Busybox, a way to change ids, and one user beside root."""
    return _layer(
        [
            *program_files("/usr/bin/busybox"),
            *program_files("/usr/bin/setpriv"),
            *program_files(program("gosu")),
            folder("bin"),
            *(link(f"bin/{name}", "/usr/bin/busybox") for name in _APPLETS),
            entry("etc/passwd", f"root:x:0:0:root:/root:/bin/sh\n{user}:x:{number}:{number}::{home}:/bin/sh\n"),
            entry("etc/group", f"root:x:0:\n{user}:x:{number}:\n"),
            entry("etc/nsswitch.conf", "passwd: files\ngroup: files\n"),
            folder("tmp", 0o1777),
            folder(home[1:]),
        ]
    )


def _image(layers: list[bytes], **config: Any) -> Built:
    fields: dict[str, Any] = {"Env": [f"PATH={_PATH}"]} | config
    return build(layers, packed=[gzipped(layer) for layer in layers], **fields)


def _script(user: str, home: str, change: str, start: str) -> tuple[tarfile.TarInfo, bytes]:
    text = DROPS.format(user=user, home=home, change=change, start=start)
    return entry("usr/local/bin/docker-entrypoint.sh", text, mode=0o755)


def redis() -> Built:
    change = "setpriv --reuid=redis --regid=redis --clear-groups"
    top = _layer(
        [
            *program_files(program("redis-server")),
            *program_files(program("redis-cli")),
            _script("redis", "/data", change, 'exec "$@"'),
        ]
    )
    return _image(
        [_base("redis", 999, "/data"), top],
        Entrypoint=["docker-entrypoint.sh"],
        Cmd=["redis-server", "--protected-mode", "no"],
        WorkingDir="/data",
        Volumes={"/data": {}},
    )


def postgres() -> Built:
    places = glob.glob("/usr/lib/postgresql/*/bin/postgres")
    if not places:
        pytest.skip("postgresql is not installed")
    bin_ = os.path.dirname(max(places))
    version = bin_.split("/")[4]
    start = 'if [ ! -s "$PGDATA/PG_VERSION" ]; then\n    initdb --auth=trust --no-locale --encoding=UTF8 >/dev/null\n'
    start += '    echo "host all all all trust" >> "$PGDATA/pg_hba.conf"\nfi\nexec "$@"'
    modules = [path for path in glob.glob(f"{bin_}/../lib/*.so") if "jit" not in path]
    share = [
        f
        for f in files_below(f"/usr/share/postgresql/{version}", "/usr/share/zoneinfo/Etc")
        if not any(part in f[0].name for part in ("/man/", "/extension/")) or "/plpgsql" in f[0].name
    ]
    top = _layer(
        [
            *(f for name in ("postgres", "initdb", "psql") for f in program_files(f"{bin_}/{name}")),
            *(file_of(os.path.realpath(path)) for path in modules),
            *share,
            folder("var/run/postgresql", 0o3777),
            folder("var/lib/postgresql/data", 0o700),
            _script("postgres", "/var/lib/postgresql", "gosu postgres", start),
        ]
    )
    return _image(
        [_base("postgres", 999, "/var/lib/postgresql"), top],
        Env=[f"PATH={bin_}:{_PATH}", "PGDATA=/var/lib/postgresql/data"],
        Entrypoint=["docker-entrypoint.sh"],
        Cmd=["postgres", "-c", "listen_addresses=*"],
        Volumes={"/var/lib/postgresql/data": {}},
        StopSignal="SIGINT",
    )


CADDYFILE = """{
    admin 0.0.0.0:2019
    auto_https off
}
:80 {
    root * /srv
    file_server
}
"""


def caddy() -> Built:
    top = _layer(
        [
            *program_files(program("caddy")),
            entry("etc/caddy/Caddyfile", CADDYFILE),
            folder("srv"),
            entry("srv/index.html", "caddy's page\n"),
        ]
    )
    return _image(
        [_base("caddy", 1000, "/config"), top],
        Env=[f"PATH={_PATH}", "XDG_CONFIG_HOME=/config", "XDG_DATA_HOME=/data"],
        Cmd=["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"],
        WorkingDir="/srv",
    )


HTTPD = """ServerRoot /usr/local/apache2
ServerName localhost
PidFile /run/httpd.pid
Listen 80
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule dir_module {modules}/mod_dir.so
User www-data
Group www-data
DocumentRoot /usr/local/apache2/htdocs
DirectoryIndex index.html
ErrorLog /proc/self/fd/2
"""


def httpd() -> Built:
    modules = "/usr/lib/apache2/modules"
    top = _layer(
        [
            *program_files(program("apache2")),
            *(file_of(path) for path in glob.glob("/lib/*/libgcc_s.so.1")),  # which glibc opens when a thread ends
            *(file_of(f"{modules}/mod_{name}.so") for name in ("mpm_event", "authz_core", "dir")),
            entry("usr/local/apache2/conf/httpd.conf", HTTPD.format(modules=modules)),
            entry("usr/local/apache2/htdocs/index.html", "It works!\n"),
            folder("run"),
        ]
    )
    command = ["apache2", "-DFOREGROUND", "-f", "/usr/local/apache2/conf/httpd.conf"]
    return _image([_base("www-data", 33, "/var/www"), top], Cmd=command, StopSignal="SIGWINCH")
