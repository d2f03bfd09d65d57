"""The seccomp programs, run by a small interpreter."""

from __future__ import annotations

import errno
import socket
import struct

import pytest

from fairlead.node.runtime.limits.privilege import container_filter

X86_64, I386, AARCH64, ARM = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028
ALLOW, ERRNO = 0x7FFF0000, 0x00050000


def verdict(program: bytes, arch: int, number: int, argument: int = 0) -> int:
    steps = [struct.unpack_from("HBBI", program, at) for at in range(0, len(program), 8)]
    at, value = 0, 0
    while True:
        code, true, false, operand = steps[at]
        at += 1
        match code:
            case 0x20:
                value = {0: number, 4: arch, 16: argument}[operand]
            case 0x15:
                at += true if value == operand else false
            case 0x35:
                at += true if value >= operand else false
            case _:
                assert code == 0x06
                return int(operand)


@pytest.mark.parametrize(
    ("machine", "arch", "keyctl", "chown", "read"),
    [("x86_64", X86_64, 250, 92, 0), ("aarch64", AARCH64, 219, 54, 63)],
)
def test_keys_are_refused_and_id_changes_succeed(machine: str, arch: int, keyctl: int, chown: int, read: int) -> None:
    both = container_filter(machine, fake_ids=True, confined=True)
    assert [verdict(both, arch, n) for n in (keyctl, chown, read)] == [ERRNO | errno.EPERM, ERRNO, ALLOW]
    keys = container_filter(machine, fake_ids=False, confined=True)
    assert [verdict(keys, arch, n) for n in (keyctl, chown, read)] == [ERRNO | errno.EPERM, ALLOW, ALLOW]
    ids = container_filter(machine, fake_ids=True, confined=False)
    assert [verdict(ids, arch, n) for n in (keyctl, chown, read)] == [ALLOW, ERRNO, ALLOW]
    assert container_filter(machine, fake_ids=False, confined=False) == b""


def test_32_bit_programs_do_not_slip_through() -> None:
    of_pc = container_filter("x86_64", fake_ids=True, confined=True)
    assert [verdict(of_pc, I386, n) for n in (286, 287, 288, 3)] == [ERRNO | errno.EPERM] * 3 + [ALLOW]
    assert verdict(of_pc, X86_64, 0x40000000 + 250) == ERRNO | errno.ENOSYS
    of_arm = container_filter("aarch64", fake_ids=True, confined=True)
    assert [verdict(of_arm, ARM, n) for n in (309, 310, 311, 3)] == [ERRNO | errno.EPERM] * 3 + [ALLOW]


@pytest.mark.parametrize(
    ("machine", "arch", "call"),
    [("x86_64", X86_64, 41), ("x86_64", I386, 359), ("aarch64", AARCH64, 198), ("aarch64", ARM, 281)],
)
def test_sockets_to_the_hypervisor_and_rings_that_would_make_them_are_refused(
    machine: str, arch: int, call: int
) -> None:
    code = container_filter(machine, fake_ids=False, confined=True)
    refused = ERRNO | errno.EAFNOSUPPORT
    families = (socket.AF_VSOCK, socket.AF_INET, socket.AF_UNIX)
    assert [verdict(code, arch, call, family) for family in families] == [refused, ALLOW, ALLOW]
    assert verdict(code, arch, 425) == ERRNO | errno.EPERM
    assert verdict(container_filter(machine, fake_ids=True, confined=False), arch, call, socket.AF_VSOCK) == ALLOW


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_jumps_only_forward_and_within_itself(machine: str) -> None:
    code = container_filter(machine, fake_ids=True, confined=True)
    steps = [code[i : i + 8] for i in range(0, len(code), 8)]
    assert len(code) % 8 == 0
    for number, step in enumerate(steps):
        if step[0] in (0x15, 0x35):
            assert number + 1 + max(step[2], step[3]) < len(steps)
