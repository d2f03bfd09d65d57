"""Explains what the kernel or the host lacks, in one line with the remedy.

The start tries without probing beforehand; only a failure is explained here.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import socket
import struct

from fairlead.base.limits import explain_limit, too_many_namespaces
from fairlead.cmd.errors import CommandError
from fairlead.net import linux
from fairlead.proxy.settings.modes import facts_of

_NETLINK_NETFILTER = 12
_NFT_GETGEN = (10 << 8) | 16  # subsystem nf_tables, message NFT_MSG_GETGEN
_NLMSG_ERROR = 2
_NLM_F_REQUEST = 1
_LEAST_SOFT, _LEAST_HARD, _ENOUGH = 32, 64, 4096
"""Descriptors: least limits with which an empty cluster starts (measured), and one that is enough for many Pods."""
_IPV6_CONF = "/proc/sys/net/ipv6/conf"


def explain_namespaces(code: int, error: str) -> str:
    """Returns why the kernel refused namespaces: reads the sysctls that forbid them."""
    if code == errno.EAGAIN:
        return explain_limit(OSError(code, error))
    ordinary = os.getuid() != 0
    if _sysctl("user/max_user_namespaces") == "0":
        return "user namespaces are switched off; switch them on: sudo sysctl -w user.max_user_namespaces=15000"
    if ordinary and _sysctl("kernel/unprivileged_userns_clone") == "0":
        return (
            "user namespaces are switched off for ordinary users; "
            "switch them on: sudo sysctl -w kernel.unprivileged_userns_clone=1"
        )
    if ordinary and _sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1":
        return (
            "AppArmor keeps ordinary users out of user namespaces; "
            "allow them: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
        )
    if code == errno.ENOSPC:
        return too_many_namespaces()
    if code == errno.EINVAL:
        return "this kernel has no user, network or pid namespaces: boot one that has them (any distribution's does)"
    return (
        f"the kernel refuses new namespaces ({error}); inside a container, allow them: "
        "--security-opt seccomp=unconfined --security-opt apparmor=unconfined"
    )


def check_descriptors() -> None:
    """Raises CommandError if processes may have too few descriptors. Call it after the hard limit was raised."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit, least, flag in ((soft, _LEAST_SOFT, "S"), (hard, _LEAST_HARD, "H")):
        if limit < least:
            cure = f"raise it: ulimit -{flag}n {_ENOUGH}, or nofile in /etc/security/limits.conf"
            raise CommandError(
                f"a process may open {limit} files only (ulimit -{flag}n), too few for a cluster; {cure}"
            )


def check_nftables() -> None:
    """Raises CommandError if nf_tables or libnftables is missing. Call it inside the cluster's network namespace."""
    try:
        ctypes.CDLL("libnftables.so.1")
    except OSError as e:
        raise CommandError("the nftables library is missing; install it: sudo apt-get install libnftables1") from e
    code = _nf_tables_error()
    if code:
        raise CommandError(
            f"this kernel has no nf_tables ({os.strerror(code)}); load it: sudo modprobe nf_tables, "
            "or boot a kernel that has it"
        )


def check_proxy_mode(mode: str | None) -> None:
    """Raises CommandError if the requested mode needs programs that are missing."""
    facts = facts_of(mode or "")
    if not facts.programs:
        return
    from fairlead.net.iptables.model import Unavailable
    from fairlead.net.iptables.run import find

    try:
        for program in facts.programs:
            find(program)
    except Unavailable as e:
        raise CommandError(
            f"--proxy-mode {mode}: {str(e).partition(':')[0]}; install it: sudo apt-get install {facts.package}"
        ) from e


def check_ipv6() -> None:
    """Raises CommandError if the kernel lacks IPv6 or does not forward it.

    Call it inside the cluster's network namespace: a host that disables IPv6 may still have it in new namespaces.
    """
    instead = "or start with --ip-family ipv4"
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close()
    except OSError as e:
        raise CommandError(
            f"this kernel has no IPv6 ({e.strerror}), which --ip-family dual and ipv6 need: boot it without "
            f"ipv6.disable=1, load the module (sudo modprobe ipv6), {instead}"
        ) from e
    for name, value in (("all/disable_ipv6", "0"), ("default/disable_ipv6", "0"), ("all/forwarding", "1")):
        path = f"{_IPV6_CONF}/{name}"
        try:
            linux.put(path, value)
        except OSError as e:
            raise CommandError(
                f"--ip-family dual and ipv6 need IPv6 forwarding, and {path} cannot be written ({e.strerror}): in a "
                f"container, let /proc be mounted (--security-opt systempaths=unconfined), {instead}"
            ) from e


def _nf_tables_error() -> int:
    """Returns 0 if nf_tables answers, otherwise the error number."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as sock:
            sock.settimeout(2.0)
            sock.send(struct.pack("=LHHLLBBH", 20, _NFT_GETGEN, _NLM_F_REQUEST, 1, 0, 0, 0, 0))
            reply = sock.recv(4096)
    except OSError as e:
        return e.errno or errno.ETIMEDOUT
    (kind,) = struct.unpack_from("=H", reply, 4)
    return -int(struct.unpack_from("=i", reply, 16)[0]) if kind == _NLMSG_ERROR else 0


def _sysctl(name: str) -> str:
    try:
        with open(f"/proc/sys/{name}", encoding="ascii") as f:
            return f.read().strip()
    except OSError:
        return ""
