"""Seccomp profiles of the type Localhost: read, refused, and compiled; the programs are run by a small interpreter."""

from __future__ import annotations

import errno
import json
import os
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from fairlead.node.runtime.protocol.containerspec import SeccompProgram
from fairlead.node.seccomp.compile import compile_profile
from fairlead.node.seccomp.load import load_profile
from fairlead.node.seccomp.profile import Machine, ProfileProblem, parse_profile
from tests.net.sandbox import as_any_user
from tests.node.sandbox import Bench, with_zygote

X86_64, I386, AARCH64, ARM = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028
ALLOW, LOG, ERRNO, TRAP, KILL, KILL_PROCESS = 0x7FFF0000, 0x7FFC0000, 0x00050000, 0x00030000, 0, 0x80000000
PC = Machine("x86_64", (6, 1), ("CHOWN",))
READ, SOCKET, CLONE, OPENAT, FUTURE = 0, 41, 56, 257, 9999
"""Numbers of x86_64, and of a call that does not exist yet."""


def compiled(machine: Machine = PC, **profile: Any) -> bytes:
    return compile_profile(parse_profile(json.dumps({"defaultAction": "SCMP_ACT_ERRNO"} | profile).encode(), machine))


def verdict(program: bytes, number: int, *args: int, arch: int = X86_64) -> int:
    """Runs the program as the kernel does, and checks that it stays in itself."""
    data = struct.pack("<iIQ6Q", number, arch, 0, *args, *[0] * (6 - len(args)))
    steps = [struct.unpack_from("HBBI", program, at) for at in range(0, len(program), 8)]
    at, value = 0, 0
    while True:
        code, true, false, operand = steps[at]
        at += 1
        match code:
            case 0x20:
                (value,) = struct.unpack_from("<I", data, operand)
            case 0x54:
                value &= operand
            case 0x05:
                at += operand
            case 0x15 | 0x25 | 0x35:
                met = {0x15: value == operand, 0x25: value > operand, 0x35: value >= operand}[code]
                at += true if met else false
            case _:
                assert code == 0x06
                return int(operand)


def allow(*names: str, **fields: Any) -> dict[str, Any]:
    return {"names": names, "action": "SCMP_ACT_ALLOW"} | fields


def test_a_list_of_permitted_calls_refuses_the_others_and_hides_those_of_later_kernels() -> None:
    program = compiled(syscalls=[allow("read", "write", "openat")])
    assert [verdict(program, n) for n in (READ, 1, OPENAT)] == [ALLOW] * 3
    assert [verdict(program, n) for n in (2, SOCKET, 256)] == [ERRNO | errno.EPERM] * 3
    assert [verdict(program, n) for n in (OPENAT + 1, FUTURE, 0x40000000 + READ)] == [ERRNO | errno.ENOSYS] * 3


def test_a_list_of_refused_calls_permits_the_others() -> None:
    program = compiled(
        defaultAction="SCMP_ACT_ALLOW",
        syscalls=[
            {"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.ENOENT},
            {"name": "write", "action": "SCMP_ACT_KILL_PROCESS"},
            {"names": ["openat"], "action": "SCMP_ACT_TRAP"},
            {"names": ["socket"], "action": "SCMP_ACT_LOG"},
            {"names": ["clone"], "action": "SCMP_ACT_KILL"},
        ],
    )
    found = [verdict(program, n) for n in (READ, 1, OPENAT, SOCKET, CLONE, 3, FUTURE)]
    assert found == [ERRNO | errno.ENOENT, KILL_PROCESS, TRAP, LOG, KILL, ALLOW, ALLOW]


def test_architectures_that_are_not_listed_are_killed_and_others_have_their_own_numbers() -> None:
    native = compiled(syscalls=[allow("read", "socketcall")])
    assert [verdict(native, 3, arch=arch) for arch in (I386, AARCH64, ARM)] == [KILL] * 3
    both = compiled(architectures=["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_S390X"], syscalls=[allow("read")])
    assert [verdict(both, 3, arch=I386), verdict(both, READ)] == [ALLOW, ALLOW]
    assert verdict(both, READ, arch=I386) == ERRNO | errno.EPERM
    phone = compiled(
        Machine("aarch64", (6, 1), ()),
        archMap=[{"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]}],
        syscalls=[allow("read")],
    )
    assert [verdict(phone, 63, arch=AARCH64), verdict(phone, 3, arch=ARM)] == [ALLOW, ALLOW]
    assert verdict(phone, READ) == KILL


BIG = (5 << 32) + 7
CASES: Mapping[str, tuple[Sequence[int], Sequence[int]]] = {
    "EQ": ((BIG,), (BIG + 1, 7, 5 << 32, BIG + (1 << 32))),
    "NE": ((BIG + 1, 7, 5 << 32), (BIG,)),
    "GT": ((BIG + 1, 6 << 32), (BIG, BIG - 1, (4 << 32) + 9, 0)),
    "GE": ((BIG, BIG + 1, 6 << 32), (BIG - 1, (4 << 32) + 9, 0)),
    "LT": ((BIG - 1, (4 << 32) + 9, 0), (BIG, BIG + 1, 6 << 32)),
    "LE": ((BIG, BIG - 1, (4 << 32) + 9, 0), (BIG + 1, 6 << 32)),
}


@pytest.mark.parametrize("operator", sorted(CASES))
def test_arguments_are_compared_with_all_their_64_bits(operator: str) -> None:
    program = compiled(
        syscalls=[allow("socket", args=[{"index": 2, "value": BIG, "op": f"SCMP_CMP_{operator}"}]), allow("tee")]
    )
    true, false = CASES[operator]
    assert [verdict(program, SOCKET, 0, 0, value) for value in true] == [ALLOW] * len(true)
    assert [verdict(program, SOCKET, 0, 0, value) for value in false] == [ERRNO | errno.EPERM] * len(false)


def test_all_arguments_must_match_and_those_of_one_index_are_alternatives() -> None:
    mask = {"index": 0, "value": 0x7E020000, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
    two = [mask, {"index": 1, "value": 3, "op": "SCMP_CMP_EQ"}]
    program = compiled(syscalls=[allow("clone", args=two)])
    cases = [(0x11, 3), (0x11, 4), (0x10000011, 3)]
    assert [verdict(program, CLONE, *args) for args in cases] == [ALLOW, ERRNO | 1, ERRNO | 1]
    either = [{"index": 0, "value": family, "op": "SCMP_CMP_EQ"} for family in (1, 2)]
    program = compiled(syscalls=[allow("socket", args=either), allow("read"), allow("tee")])
    assert [verdict(program, SOCKET, family) for family in (1, 2, 40)] == [ALLOW, ALLOW, ERRNO | 1]


def test_an_entry_without_arguments_wins_and_of_others_the_first() -> None:
    one = {"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}
    refuse = {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 97}
    first = compiled(syscalls=[allow("socket", args=[one]), refuse | {"args": [one | {"op": "SCMP_CMP_LE"}]}])
    assert [verdict(first, SOCKET, n) for n in (1, 0, 2)] == [ALLOW, ERRNO | 97, ERRNO | 1]
    assert verdict(compiled(syscalls=[refuse | {"args": [one]}, allow("socket")]), SOCKET, 1) == ALLOW


def test_dockers_conditions_ask_for_capabilities_machine_and_kernel() -> None:
    entries = [
        allow("chown", includes={"caps": ["CAP_CHOWN"]}),
        allow("mount", includes={"caps": ["CAP_CHOWN", "CAP_SYS_ADMIN"]}),
        allow("read", excludes={"caps": ["CAP_CHOWN"]}),
        allow("write", includes={"arches": ["amd64", "x32"]}),
        allow("close", excludes={"arches": ["amd64"]}),
        allow("ptrace", includes={"minKernel": "4.8"}),
        allow("socket", includes={"minKernel": "6.2"}),
        allow("openat"),
    ]
    program = compiled(syscalls=entries)
    assert [verdict(program, n) == ALLOW for n in (92, 165, 0, 1, 3, 101, SOCKET)] == [1, 0, 0, 1, 0, 1, 0]


def test_a_profile_that_names_all_calls_with_conditions_stays_below_the_kernels_limit_or_is_refused() -> None:
    names = [line.split(" ")[0] for line in _table().splitlines() if " = " in line]
    assert len(compiled(syscalls=[allow(*names)], architectures=["SCMP_ARCH_X86"])) < 4096
    entries = [
        allow(name, args=[{"index": i, "value": number, "op": "SCMP_CMP_GT"} for i in range(6)])
        for number, name in enumerate(names)
    ]
    with pytest.raises(ProfileProblem, match=r"the program has \d+ instructions; the kernel takes 4096"):
        compiled(syscalls=entries)


def _table() -> str:
    import fairlead.node.seccomp

    return (Path(fairlead.node.seccomp.__file__).parent / "syscalls.toml").read_text()


@pytest.mark.parametrize(
    ("profile", "why"),
    [
        (b"", "decoding seccomp profile failed: Input data was truncated"),
        (b"[" * 100_000, "decoding seccomp profile failed: "),
        (b"[]", "decoding seccomp profile failed: Expected `object`, got `array`"),
        (b"{}", "Object missing required field `defaultAction`"),
        ({"defaultAction": "allow"}, 'defaultAction: "allow" is not supported: expected one of SCMP_ACT_KILL, '),
        ({"defaultAction": "SCMP_ACT_NOTIFY"}, '"SCMP_ACT_NOTIFY" is not supported'),
        ({"listenerPath": "/x"}, "Object contains unknown field `listenerPath`"),
        ({"defaultErrnoRet": 5000}, "defaultErrnoRet: 5000 is not between 0 and 4095"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1}, "only SCMP_ACT_ERRNO has an error number"),
        ({"architectures": ["amd64"]}, 'invalid architecture "amd64": expected e.g. SCMP_ARCH_X86_64'),
        ({"architectures": ["SCMP_ARCH_X86"], "archMap": [{"architecture": "x"}]}, "cannot be set beside archMap"),
        ({"flags": ["SECCOMP_FILTER_FLAG_NEW_LISTENER"]}, '"SECCOMP_FILTER_FLAG_NEW_LISTENER" is not supported'),
        ({"syscalls": [allow()]}, "syscalls[0].names: at least one system call is required"),
        ({"syscalls": [allow("a b")]}, 'syscalls[0].names: invalid name of a system call "a b"'),
        ({"syscalls": [{"names": ["x"]}]}, "Object missing required field `action` - at `$.syscalls[0]`"),
        ({"syscalls": [allow("read", errnoRet=1)]}, "syscalls[0].errnoRet: only SCMP_ACT_ERRNO has an error number"),
        (
            {"syscalls": [allow("read", args=[{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}])]},
            "syscalls[0].args[0].index: 6 is not between 0 and 5",
        ),
        (
            {"syscalls": [allow("read", args=[{"index": 0, "value": -1, "op": "SCMP_CMP_EQ"}])]},
            "syscalls[0].args[0].value: -1 does not fit into 64 bits",
        ),
        (
            {"syscalls": [allow("read", args=[{"index": 0, "value": 1, "op": "=="}])]},
            'syscalls[0].args[0].op: "==" is not supported: expected one of SCMP_CMP_NE, ',
        ),
        (
            {"syscalls": [allow("read", includes={"minKernel": "new"})]},
            'syscalls[0].includes.minKernel: invalid version "new": expected e.g. 4.8',
        ),
        (
            {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["raed"], "action": "SCMP_ACT_KILL"}]},
            'unknown system call "raed" would be permitted',
        ),
    ],
)
def test_a_wrong_or_hostile_profile_is_refused_with_the_field(profile: Any, why: str, tmp_path: Path) -> None:
    full = {"defaultAction": "SCMP_ACT_ERRNO"} | profile if isinstance(profile, dict) else profile
    (tmp_path / "p.json").write_bytes(full if isinstance(full, bytes) else json.dumps(full).encode())
    with pytest.raises(ProfileProblem) as caught:
        load_profile(str(tmp_path), "p.json", capabilities=())
    assert str(caught.value).startswith(f'cannot load seccomp profile "{tmp_path}/p.json": ')
    assert why in str(caught.value)


def test_what_is_not_a_file_of_the_folder_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "long").write_bytes(bytes((1 << 20) + 1))
    for name, why in (("none", "no such file or directory"), ("pipe", "not a file"), ("long", "longer than"), ("", "")):
        with pytest.raises(ProfileProblem, match=f'cannot load seccomp profile "{tmp_path}/{name}": .*{why}'):
            load_profile(str(tmp_path), name, capabilities=())


@as_any_user
@pytest.mark.kernel
def test_a_container_and_its_execs_run_under_their_profile(ordinary: bool) -> None:
    refuse = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.EXDEV}
    program = compiled(_here(), defaultAction="SCMP_ACT_ALLOW", syscalls=[refuse])
    strict = compiled(_here(), syscalls=[allow("execve")])

    async def work(bench: Bench) -> tuple[list[str], list[int]]:
        logs, codes = [], []
        for number, forbid in enumerate((False, True)):
            seccomp = SeccompProgram(code=program.hex(), flags=2)
            script = "mkdir /tmp/x; grep Seccomp_filters /proc/self/status"
            exit_, log = await bench.run(str(number), "sh", "-c", script, seccomp=seccomp, no_new_privileges=forbid)
            logs += log
            codes.append(exit_.code)
        exit_, _ = await bench.run("strict", "true", seccomp=SeccompProgram(code=strict.hex()))
        return logs, [*codes, exit_.code]

    log, codes = with_zygote(work, ordinary=ordinary)
    refused = "stderr F mkdir: cannot create directory '/tmp/x': Invalid cross-device link"
    assert sorted(log) == [refused] * 2 + ["stdout F Seccomp_filters:\t2"] * 2
    assert codes[:2] == [0, 0]
    assert codes[2] != 0  # the loader may not even map a library


def _here() -> Machine:
    return Machine(os.uname().machine, (6, 1), ())
