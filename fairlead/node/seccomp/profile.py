"""A seccomp profile in the format of the OCI runtime specification, with Docker's additions. Pure.

What must stay true: a field without effect here is refused, because the container would be confined less than its
profile says.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

import msgspec

from fairlead.base.dataclass import dataclass

_NAME = re.compile(r"[a-zA-Z0-9_]+")
_LARGEST_ERRNO = 4095
"""MAX_ERRNO: the kernel would use this for a larger number."""
EPERM = 1
ACTIONS = {
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
"""The actions by their names in libseccomp, as the kernel's return values."""
OPERATORS = ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")
_ARCHES = {
    "SCMP_ARCH_X86_64": "x86_64",
    "SCMP_ARCH_X86": "i386",
    "SCMP_ARCH_AARCH64": "aarch64",
    "SCMP_ARCH_ARM": "arm",
}
_FLAGS = {"SECCOMP_FILTER_FLAG_TSYNC": 0, "SECCOMP_FILTER_FLAG_LOG": 2, "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4}
"""The flags of seccomp(2). A container's first process has one thread, so TSYNC changes nothing."""


class ProfileProblem(Exception):
    """The profile cannot be used; the text names the field."""


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    pass


class _Arg(_Strict):
    index: int
    value: int
    op: str
    valueTwo: int = 0


class _Conditions(_Strict):
    """Docker's conditions of an entry."""

    caps: list[str] | None = None
    arches: list[str] | None = None
    minKernel: str | None = None


class _Entry(_Strict):
    action: str
    names: list[str] | None = None
    name: str = ""
    errnoRet: int | None = None
    args: list[_Arg] | None = None
    comment: str = ""
    includes: _Conditions | None = None
    excludes: _Conditions | None = None


class _ArchMap(_Strict):
    architecture: str
    subArchitectures: list[str] | None = None


class _File(_Strict):
    defaultAction: str
    defaultErrnoRet: int | None = None
    architectures: list[str] | None = None
    archMap: list[_ArchMap] | None = None
    flags: list[str] | None = None
    syscalls: list[_Entry] | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison of one argument of a system call."""

    index: int
    operator: str
    value: int
    second: int = 0
    """MASKED_EQ: what the argument must be under the mask `value`."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The action for system calls if all conditions are true."""

    names: tuple[str, ...]
    action: int
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    default: int
    arches: frozenset[str]
    rules: tuple[Rule, ...]
    flags: int = 0


@dataclass(frozen=True, slots=True)
class Machine:
    """The facts about which Docker's conditions ask."""

    arch: str
    """The name that `uname -m` prints."""
    kernel: tuple[int, int]
    capabilities: Collection[str]
    """Those of the container, without CAP_."""


def parse_profile(data: bytes, machine: Machine) -> Profile:
    """Returns the profile as it is for a container on this machine. Raises ProfileProblem."""
    try:
        file = msgspec.json.decode(data, type=_File)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ProfileProblem(f"decoding seccomp profile failed: {error}") from error
    default = _action(file.defaultAction, file.defaultErrnoRet, "defaultAction", "defaultErrnoRet")
    rules = [rule for i, entry in enumerate(file.syscalls or ()) for rule in _rules(entry, f"syscalls[{i}]", machine)]
    return Profile(default, frozenset(_arches(file, machine)), tuple(rules), _flags(file.flags or ()))


def _action(name: str, errno: int | None, field: str, errno_field: str) -> int:
    if name not in ACTIONS:
        raise ProfileProblem(f'{field}: "{name}" is not supported: expected one of {", ".join(ACTIONS)}')
    if name != "SCMP_ACT_ERRNO":
        if errno is not None:
            raise ProfileProblem(f"{errno_field}: only SCMP_ACT_ERRNO has an error number")
        return ACTIONS[name]
    if errno is not None and not 0 <= errno <= _LARGEST_ERRNO:
        raise ProfileProblem(f"{errno_field}: {errno} is not between 0 and {_LARGEST_ERRNO}")
    return ACTIONS[name] | (EPERM if errno is None else errno)


def _arches(file: _File, machine: Machine) -> Iterator[str]:
    """Yields the architectures with this machine's own. Those of other machines, and x32, whose calls nodes always
    refuse, change nothing here."""
    yield machine.arch
    if file.architectures and file.archMap:
        raise ProfileProblem("architectures: cannot be set beside archMap")
    listed = list(file.architectures or ())
    for entry in file.archMap or ():
        if _ARCHES.get(entry.architecture) == machine.arch:
            listed += entry.subArchitectures or ()
    for name in listed:
        if not name.startswith("SCMP_ARCH_"):
            raise ProfileProblem(f'architectures: invalid architecture "{name}": expected e.g. SCMP_ARCH_X86_64')
        if name in _ARCHES:
            yield _ARCHES[name]


def _flags(names: Collection[str]) -> int:
    flags = 0
    for name in names:
        if name not in _FLAGS:
            raise ProfileProblem(f'flags: "{name}" is not supported: expected one of {", ".join(_FLAGS)}')
        flags |= _FLAGS[name]
    return flags


def _rules(entry: _Entry, path: str, machine: Machine) -> Iterator[Rule]:
    names = [*(entry.names or ()), *([entry.name] if entry.name else ())]
    if not names:
        raise ProfileProblem(f"{path}.names: at least one system call is required")
    for name in names:
        if not _NAME.fullmatch(name):
            raise ProfileProblem(f'{path}.names: invalid name of a system call "{name}"')
    action = _action(entry.action, entry.errnoRet, f"{path}.action", f"{path}.errnoRet")
    conditions = [_condition(arg, f"{path}.args[{i}]") for i, arg in enumerate(entry.args or ())]
    if not _holds(entry.includes, machine, f"{path}.includes") or _excluded(entry.excludes, machine, path):
        return
    if len({c.index for c in conditions}) == len(conditions):
        yield Rule(tuple(names), action, tuple(conditions))
    else:  # several of one argument are alternatives, as in runc
        for condition in conditions:
            yield Rule(tuple(names), action, (condition,))


def _condition(arg: _Arg, path: str) -> Condition:
    operator = arg.op.removeprefix("SCMP_CMP_")
    if not arg.op.startswith("SCMP_CMP_") or operator not in OPERATORS:
        expected = ", ".join(f"SCMP_CMP_{name}" for name in OPERATORS)
        raise ProfileProblem(f'{path}.op: "{arg.op}" is not supported: expected one of {expected}')
    if not 0 <= arg.index <= 5:
        raise ProfileProblem(f"{path}.index: {arg.index} is not between 0 and 5")
    for name, value in (("value", arg.value), ("valueTwo", arg.valueTwo)):
        if not 0 <= value < 1 << 64:
            raise ProfileProblem(f"{path}.{name}: {value} does not fit into 64 bits")
    return Condition(arg.index, operator, arg.value, arg.valueTwo)


_GO_ARCHES = {"x86_64": ("amd64", "x86_64"), "aarch64": ("arm64", "aarch64")}


def _holds(asked: _Conditions | None, machine: Machine, path: str) -> bool:
    """Returns True if all conditions hold: each capability, one of the architectures, the version of the kernel."""
    if asked is None:
        return True
    if asked.minKernel and _version(asked.minKernel, path) > machine.kernel:
        return False
    if asked.arches and not {*asked.arches} & {*_GO_ARCHES.get(machine.arch, ())}:
        return False
    return all(_has(machine, name) for name in asked.caps or ())


def _excluded(asked: _Conditions | None, machine: Machine, path: str) -> bool:
    """Returns True if one of the conditions holds."""
    if asked is None:
        return False
    if asked.minKernel and _version(asked.minKernel, f"{path}.excludes") <= machine.kernel:
        return True
    if {*(asked.arches or ())} & {*_GO_ARCHES.get(machine.arch, ())}:
        return True
    return any(_has(machine, name) for name in asked.caps or ())


def _has(machine: Machine, capability: str) -> bool:
    return capability.removeprefix("CAP_") in machine.capabilities


def _version(text: str, path: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,4})\.([0-9]{1,4})", text)
    if match is None:
        raise ProfileProblem(f'{path}.minKernel: invalid version "{text}": expected e.g. 4.8')
    return int(match[1]), int(match[2])
