"""The checks, in the order in which they are shown. To add one, write a function and put it into `CHECKS`."""

from __future__ import annotations

import os
import resource
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from fairlead.base.numbers import natural
from fairlead.cmd import kubectl
from fairlead.cmd.cluster.config import DEFAULT_API_PORT
from fairlead.cmd.cluster.paths import state_home
from fairlead.cmd.errors import CommandError
from fairlead.cmd.reports.doctor.model import Finding, of_explanation, ok, problem, warning
from fairlead.cmd.reports.doctor.probe import Results
from fairlead.proxy.settings.modes import FACTS

_FILES = 4096
_FREE_MIB = 200
_IDS = 65536
_MIB = 1 << 20
_APPARMOR = "kernel/apparmor_restrict_unprivileged_userns"
_PORTS = "net/ipv4/ip_unprivileged_port_start"


def run_checks(results: Results) -> list[Finding]:
    """Returns the findings about this host. `results`: what was tried in namespaces."""
    return [finding for check in CHECKS for finding in check(results)]


def _kernel(_: Results) -> Iterator[Finding]:
    release = os.uname().release
    version = tuple(natural(part) or 0 for part in release.split(".")[:2])
    if version < (5, 4):
        yield problem("kernel", f"Linux {release} is too old", "boot Linux 5.4 or later")
    elif version < (5, 11):
        yield warning("kernel", f"Linux {release}: images are copied", "Linux 5.11 mounts them as overlays")
    else:
        yield ok("kernel", f"Linux {release}")


def _namespaces(results: Results) -> Iterator[Finding]:
    if why := results["namespaces"]:
        yield of_explanation("namespaces", why)
    else:
        who = "root" if os.getuid() == 0 else "ordinary user"
        yield ok("namespaces", f"user, mount, network, pid, ipc and uts, as {who}")


def _apparmor(results: Results) -> Iterator[Finding]:
    if _sysctl(_APPARMOR) != "1":
        yield ok("AppArmor", "does not restrict user namespaces")
    elif os.getuid() == 0 or not results["namespaces"]:
        yield ok("AppArmor", "restricts user namespaces, but not for this program")
    else:
        yield problem(
            "AppArmor",
            "keeps ordinary users out of user namespaces",
            f"sudo sysctl -w {_APPARMOR.replace('/', '.', 1)}=0, or install the profile of docs/ci.md",
        )


def _nf_tables(results: Results) -> Iterator[Finding]:
    if results["namespaces"]:
        return
    if why := results["nf_tables"]:
        yield of_explanation("nf_tables", why)
    else:
        yield ok("nf_tables", "kernel and libnftables answer")


def _proc(results: Results) -> Iterator[Finding]:
    if results.get("proc"):
        yield warning(
            "/proc",
            "cannot be mounted anew: Pods see processes by their outer ids",
            "in a container: --security-opt systempaths=unconfined",
        )


def _ipv6(results: Results) -> Iterator[Finding]:
    if why := results.get("ipv6"):
        yield warning(
            "IPv6", why.partition(",")[0].partition(":")[0], "--ip-family ipv4, the default, does not need it"
        )


def _overlay(results: Results) -> Iterator[Finding]:
    if results["namespaces"]:
        return
    if results["overlay"]:
        yield warning(
            "overlay",
            f"cannot be mounted ({results['overlay']}): images are copied, which takes time and space",
            "boot Linux 5.11 or later with overlayfs; in a container, allow mounts",
        )
    else:
        yield ok("overlay", "can be mounted")


def _sub_ids(_: Results) -> Iterator[Finding]:
    if os.getuid():
        yield ok(
            "sub-ids",
            "not needed: one id is mapped, as which all images run (docs/images.md)",
        )
        return
    mapped = _mapped_ids(Path("/proc/self/uid_map").read_text(encoding="ascii"))
    if mapped < _IDS:
        text = f"{mapped} ids are mapped here, so files of other users in images have no owner"
        yield warning("sub-ids", text, "outside of a user namespace, or in one with 65,536 ids, all are there")
    else:
        yield ok("sub-ids", "all ids are mapped")


def _mapped_ids(uid_map: str) -> int:
    """Returns the number of ids from 0 on that a user namespace has (user_namespaces(7))."""
    first, _, count = uid_map.splitlines()[0].split()
    return int(count) if first == "0" else 0


def _cgroups(_: Results) -> Iterator[Finding]:
    from fairlead.node.cgroups.detect import find_place

    place = find_place(f"fairlead-doctor-{os.getpid()}")
    if place is None:
        yield warning(
            "cgroups",
            "no group is delegated to this user: limits of Pods are not enforced",
            "systemd-run --user --scope -p Delegate=yes fairlead up",
        )
    else:
        yield ok("cgroups", f"v{place.version}: limits of Pods are enforced")


def _limits(_: Results) -> Iterator[Finding]:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < _FILES:
        cure = f"ulimit -Hn {_FILES * 16}, or nofile in /etc/security/limits.conf"
        yield warning("open files", f"at most {hard} for each process", cure)


def _ports(_: Results) -> Iterator[Finding]:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", DEFAULT_API_PORT))
        except OSError as e:
            text = f"{DEFAULT_API_PORT} on 127.0.0.1 is not free ({e.strerror}): the API takes another"
            yield warning("ports", text, "end what listens there (ss -ltnp), or choose: --api-port PORT")
            return
    first = natural(_sysctl(_PORTS) or "1024") or 0
    if os.getuid() and first > 80:
        text = f"free; load balancers' ports below {first} are published at others"
        yield warning("ports", text, f"sudo sysctl -w {_PORTS.replace('/', '.')}=80")
    else:
        yield ok("ports", f"{DEFAULT_API_PORT} on 127.0.0.1 is free")


def _state(_: Results) -> Iterator[Finding]:
    try:
        folder = state_home()
    except CommandError as e:
        yield of_explanation("state", str(e))
        return
    at = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(at).free // _MIB
    if not os.access(at, os.W_OK | os.X_OK):
        yield problem("state", f"{at} cannot be written", "set XDG_STATE_HOME to a folder that you can write")
    elif free < _FREE_MIB:
        yield warning("state", f"{free} MiB are free in {at}", "make room, or set XDG_STATE_HOME to another folder")
    else:
        yield ok("state", f"{folder}, {free} MiB free")


def _kubectl(_: Results) -> Iterator[Finding]:
    if advice := kubectl.advice():
        what, cure = advice.split(";", 1)
        yield warning("kubectl", what, cure.strip())
    else:
        path = shutil.which("kubectl") or kubectl.bundled() or ""
        minor = kubectl.minor_version(path)
        yield ok("kubectl", f"{path} (1.{minor})" if minor is not None else path)


def _programs(_: Results) -> Iterator[Finding]:
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    if not shutil.which("nginx", path=path):
        yield warning("nginx", "is missing: its image runs fairlead/web", "sudo apt-get install nginx-light")
    for mode, facts in FACTS.items():
        if not all(shutil.which(program, path=path) for program in facts.programs):
            what = f"is missing: --proxy-mode {mode} cannot be used"
            yield warning(facts.package, what, f"sudo apt-get install {facts.package}")


CHECKS: Sequence[Callable[[Results], Iterator[Finding]]] = (
    _kernel,
    _namespaces,
    _apparmor,
    _nf_tables,
    _proc,
    _overlay,
    _ipv6,
    _sub_ids,
    _cgroups,
    _limits,
    _ports,
    _state,
    _kubectl,
    _programs,
)


def _sysctl(name: str) -> str:
    try:
        return Path("/proc/sys", name).read_text(encoding="ascii").strip()
    except OSError:
        return ""
