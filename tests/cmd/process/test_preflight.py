"""The messages for what a machine lacks for IPv6."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from pathlib import Path
from shutil import which

import pytest

from fairlead.cmd.errors import CommandError
from fairlead.cmd.process.preflight import check_ipv6, check_proxy_mode
from fairlead.net import linux
from fairlead.node.runtime.limits.privilege import container_filter
from tests.net.sandbox import as_any_user, in_sandbox

pytestmark = pytest.mark.kernel
CONF = "/proc/sys/net/ipv6/conf"
_SOCKET = {"x86_64": 41, "aarch64": 198}


def _said() -> str:
    try:
        check_ipv6()
    except CommandError as error:
        return str(error)
    return ""


def _switched_off() -> tuple[str, str, str]:
    for name in ("all", "default"):
        linux.put(f"{CONF}/{name}/disable_ipv6", "1")
    said = _said()
    return said, Path(f"{CONF}/default/disable_ipv6").read_text().strip(), Path(f"{CONF}/all/forwarding").read_text()


def _read_only() -> str:
    linux.mount(CONF, CONF, None, linux.MS_BIND | linux.MS_REC)
    linux.set_read_only(CONF)
    return _said()


def _refuse_ipv6_sockets() -> str:
    """Refuses IPv6 sockets as a kernel without IPv6 does: by a filter on the first argument of socket(2)."""
    machine = os.uname().machine
    (arch,) = struct.unpack_from("I", container_filter(machine, fake_ids=True, confined=False), 8 + 4)
    load, equal, ret = 0x20, 0x15, 0x06
    program = [
        (load, 0, 0, 4), (equal, 0, 5, arch), (load, 0, 0, 0), (equal, 0, 3, _SOCKET[machine]), (load, 0, 0, 16),
        (equal, 0, 1, socket.AF_INET6), (ret, 0, 0, 0x00050000 | errno.EAFNOSUPPORT), (ret, 0, 0, 0x7FFF0000),
    ]  # fmt: skip
    code = b"".join(struct.pack("HBBI", *step) for step in program)
    held = ctypes.create_string_buffer(code, len(code))
    filter_ = ctypes.create_string_buffer(struct.pack("H6xQ", len(program), ctypes.addressof(held)))
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    zero = ctypes.c_ulong(0)
    assert ctypes.CDLL(None).prctl(22, ctypes.c_ulong(2), filter_, zero, zero) == 0
    return _said()


@as_any_user
def test_ipv6_that_is_off_by_default_is_switched_on_in_the_sandbox(ordinary: bool) -> None:
    said, off, forwarding = in_sandbox(_switched_off, ordinary=ordinary)
    assert (said, off, forwarding.strip()) == ("", "0", "1")


@as_any_user
def test_settings_that_cannot_be_written_are_named_with_both_cures(ordinary: bool) -> None:
    said = in_sandbox(_read_only, ordinary=ordinary)
    assert said.startswith(
        f"--ip-family dual and ipv6 need IPv6 forwarding, and {CONF}/all/disable_ipv6 cannot be written"
    )
    assert said.endswith("(--security-opt systempaths=unconfined), or start with --ip-family ipv4")


@pytest.mark.skipif(os.uname().machine not in _SOCKET, reason="the number of socket(2) is known for two machines")
def test_a_kernel_without_ipv6_is_named_with_both_cures() -> None:
    said = in_sandbox(_refuse_ipv6_sockets)
    assert said.startswith("this kernel has no IPv6 (Address family not supported by protocol)")
    assert said.endswith("or start with --ip-family ipv4")


def _without_programs() -> list[str]:
    said = []
    for _ in range(2):
        for mode in ("iptables", "nftables", None):
            try:
                check_proxy_mode(mode)
            except CommandError as error:
                said.append(str(error))
        for folder in ("/usr/sbin", "/usr/bin", "/usr/local/sbin"):
            linux.mount("tmpfs", folder, "tmpfs", 0)
    return said


@pytest.mark.skipif(which("iptables", path="/usr/sbin:/sbin") is None, reason="iptables is not installed")
def test_a_mode_whose_programs_are_missing_is_refused_with_the_cure() -> None:
    cure = "--proxy-mode iptables: iptables is missing; install it: sudo apt-get install iptables"
    assert in_sandbox(_without_programs) == [cure]
