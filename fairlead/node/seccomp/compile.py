"""Compiles a profile to a program of classic BPF (seccomp(2)). Pure.

The program looks at the architecture, then at the number of the call. The numbers are divided into ranges with one
action or one list of rules, the highest first, so that profiles with hundreds of names stay short. Calls that are newer
than all that a profile names do not exist for the container (ENOSYS), as in runc: C libraries then use older ones.

An entry without arguments wins over those with arguments, as in libseccomp; of several with arguments the first does.
"""

from __future__ import annotations

import struct
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources

from fairlead.node.seccomp.profile import ACTIONS, Condition, Profile, ProfileProblem, Rule

ARCHES = {"x86_64": 0xC000003E, "i386": 0x40000003, "aarch64": 0xC00000B7, "arm": 0x40000028}
"""AUDIT_ARCH_*."""
LONGEST = 4096
"""BPF_MAXINSNS."""
_LOAD, _AND, _RETURN, _JUMP = 0x20, 0x54, 0x06, 0x05
_EQUAL, _MORE, _AT_LEAST = 0x15, 0x25, 0x35
_ENOSYS = 0x00050000 | 38
_KILL = ACTIONS["SCMP_ACT_KILL"]
_PERMISSIVE = (ACTIONS["SCMP_ACT_ALLOW"], ACTIONS["SCMP_ACT_LOG"])
_X32 = 0x40000000

Step = tuple[int, int, int, int]
"""Code, jump if true, jump if false, operand."""


@cache
def _numbers() -> Mapping[str, Sequence[int]]:
    return tomllib.loads(resources.files("fairlead.node.seccomp").joinpath("syscalls.toml").read_text())


def compile_profile(profile: Profile) -> bytes:
    """Returns an array of `struct sock_filter`. Raises ProfileProblem."""
    _check_names(profile)
    program: list[Step] = [(_LOAD, 0, 0, 4)]
    for arch, audit in ARCHES.items():
        if arch in profile.arches:
            body = _body(profile, arch)
            program += [(_EQUAL, 1, 0, audit), (_JUMP, 0, 0, len(body)), *body]
    program.append((_RETURN, 0, 0, _KILL))
    if len(program) > LONGEST:
        raise ProfileProblem(f"syscalls: the program has {len(program)} instructions; the kernel takes {LONGEST}")
    return b"".join(struct.pack("HBBI", *step) for step in program)


def _check_names(profile: Profile) -> None:
    """Refuses unknown names of calls that would then be permitted. Profiles with a list of permitted calls often name
    calls of newer kernels and of other machines."""
    if profile.default in _PERMISSIVE:
        for name in (name for rule in profile.rules for name in rule.names if name not in _numbers()):
            raise ProfileProblem(f'syscalls: unknown system call "{name}" would be permitted')


def _body(profile: Profile, arch: str) -> list[Step]:
    rules = _by_number(profile, arch)
    ranges: list[tuple[int, list[Step]]] = [(0, [_return(profile.default)])]
    for number, of_call in sorted(rules.items()):
        if number != ranges[-1][0]:
            ranges.append((number, []))
        ranges[-1] = number, _of_call(of_call, profile.default)
        ranges.append((number + 1, [_return(profile.default)]))
    if profile.default not in _PERMISSIVE and profile.default != _ENOSYS:
        ranges[-1] = ranges[-1][0], [_return(_ENOSYS)]
    merged = [one for i, one in enumerate(ranges) if not i or one[1] != ranges[i - 1][1]]
    body: list[Step] = [(_LOAD, 0, 0, 0)]
    if arch == "x86_64":
        body += [(_AT_LEAST, 0, 1, _X32), _return(_ENOSYS)]
    for start, steps in reversed(merged):
        body += [(_AT_LEAST, 1, 0, start), (_JUMP, 0, 0, len(steps)), *steps] if start else steps
    return body


def _by_number(profile: Profile, arch: str) -> dict[int, list[Rule]]:
    """Returns the rules of each call. A rule with the default action changes nothing, as in runc."""
    column = list(ARCHES).index(arch)
    found: dict[int, list[Rule]] = {}
    for rule in profile.rules:
        for name in rule.names if rule.action != profile.default else ():
            number = _numbers().get(name, (-1,) * len(ARCHES))[column]
            if number >= 0:
                found.setdefault(number, []).append(rule)
    return found


def _of_call(rules: Sequence[Rule], default: int) -> list[Step]:
    always = next((rule for rule in rules if not rule.conditions), None)
    if always is not None:
        return [_return(always.action)]
    return [step for rule in rules for step in _conditional(rule)] + [_return(default)]


def _conditional(rule: Rule) -> list[Step]:
    """Returns the steps that end with the rule's action, or go on behind them."""
    parts = [list(_compare(condition)) for condition in rule.conditions]
    length = sum(map(len, parts)) + 1
    steps: list[Step] = []
    for part in parts:
        end = len(steps) + len(part)
        for code, true, false, operand in part:
            here = len(steps) + 1
            steps.append((code, _distance(true, here, end, length), _distance(false, here, end, length), operand))
    return [*steps, _return(rule.action)]


_NEXT, _PASS, _FAIL = 0, 1, 2


def _distance(target: int, here: int, passed: int, failed: int) -> int:
    return {_NEXT: 0, _PASS: passed - here, _FAIL: failed - here}[target]


def _compare(condition: Condition) -> Iterator[Step]:
    """Yields the steps of a comparison of 64 bits, with _NEXT, _PASS and _FAIL as their jumps."""
    low_at = 16 + 8 * condition.index  # struct seccomp_data, on machines with the low half first
    high, low = condition.value >> 32, condition.value & 0xFFFFFFFF
    yield _LOAD, 0, 0, low_at + 4
    match condition.operator:
        case "MASKED_EQ":
            yield _AND, 0, 0, high
            yield _EQUAL, _NEXT, _FAIL, condition.second >> 32
            yield _LOAD, 0, 0, low_at
            yield _AND, 0, 0, low
            yield _EQUAL, _PASS, _FAIL, condition.second & 0xFFFFFFFF
        case "EQ" | "NE" as operator:
            same, other = (_PASS, _FAIL) if operator == "EQ" else (_FAIL, _PASS)
            yield _EQUAL, _NEXT, other, high
            yield _LOAD, 0, 0, low_at
            yield _EQUAL, same, other, low
        case operator:
            more, less = (_PASS, _FAIL) if operator in ("GT", "GE") else (_FAIL, _PASS)
            yield _MORE, more, _NEXT, high
            yield _EQUAL, _NEXT, less, high
            yield _LOAD, 0, 0, low_at
            yield _MORE if operator in ("GT", "LE") else _AT_LEAST, more, less, low


def _return(action: int) -> Step:
    return _RETURN, 0, 0, action
