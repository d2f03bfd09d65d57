"""Removes the privileges of a container's process before it becomes the program: capabilities, ids, kernel keys, and
(with one id) id changes.

Runs in a freshly forked child of the zygote, so: standard library only, and few allocations. The capabilities left are
those that container engines leave by default. Without CAP_SYS_ADMIN a pod cannot remove the mounts that hide the
cluster's keys; a nested user namespace does not help it, mounts are locked there.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Mapping, Sequence
from functools import cache

from fairlead.net import linux

# In the order of their numbers.
_NAMES = """
    CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
    NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
    SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE
    MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
"""
CAPABILITIES: dict[str, int] = {name: number for number, name in enumerate(_NAMES.split())}
DEFAULT_CAPABILITIES = (
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SYS_CHROOT",
    "MKNOD",
    "AUDIT_WRITE",
    "SETFCAP",
)

_PR_CAPBSET_DROP = 24
_SECCOMP: dict[str, int] = {"x86_64": 317, "aarch64": 277}
"""The number of seccomp(2) by `uname -m`."""
_SECCOMP_SET_MODE_FILTER = 1
_EINVAL = 22

# AUDIT_ARCH_* by `uname -m`, and the calls that change ids or owners.
_ARCH: dict[str, int] = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_ID_CALLS: dict[str, tuple[int, ...]] = {
    # chown fchown lchown fchownat setuid setgid setreuid setregid setgroups setresuid setresgid setfsuid setfsgid
    "x86_64": (92, 93, 94, 260, 105, 106, 113, 114, 116, 117, 119, 122, 123),
    # fchownat fchown setregid setgid setreuid setuid setresuid setresgid setfsuid setfsgid setgroups
    "aarch64": (54, 55, 143, 144, 145, 146, 147, 149, 151, 152, 159),
}
_KEY_CALLS: dict[str, tuple[int, ...]] = {"x86_64": (248, 249, 250), "aarch64": (217, 218, 219)}
"""add_key, request_key, keyctl: kernel keys belong to the user, who is the same in all pods (`@u`, `@us`)."""
_KEY_CALLS_32: dict[str, tuple[int, tuple[int, ...]]] = {
    "x86_64": (0x40000003, (286, 287, 288)),
    "aarch64": (0x40000028, (309, 310, 311)),
}
"""AUDIT_ARCH_* and the same calls of the 32-bit programs that the machine runs too."""
_SOCKET: dict[int, int] = {0xC000003E: 41, 0xC00000B7: 198, 0x40000003: 359, 0x40000028: 281}
"""socket, by AUDIT_ARCH_*. (A 32-bit PC program also has socketcall, whose arguments no filter can see.)"""
_AF_VSOCK = 40
"""AF_VSOCK reaches the hypervisor and the host's own listeners: its addresses belong to no network namespace."""
_IO_URING_SETUP = 425
"""The same number on every architecture. A ring makes sockets without the call (IORING_OP_SOCKET, Linux 5.19)."""
_DEFAULT_DENIED: dict[str, tuple[int, ...]] = {
    # acct clock_adjtime clock_settime create_module delete_module finit_module get_kernel_syms get_mempolicy
    # init_module ioperm iopl kcmp kexec_file_load kexec_load lookup_dcookie mbind move_pages name_to_handle_at
    # nfsservctl open_by_handle_at process_vm_readv process_vm_writev query_module reboot set_mempolicy settimeofday
    # swapoff swapon sysfs _sysctl uselib userfaultfd ustat vhangup
    "x86_64": (
        *(163, 305, 227, 174, 176, 313, 177, 239, 175, 173, 172, 312, 320, 246, 212, 237, 279, 303, 180, 304),
        *(310, 311, 178, 169, 238, 164, 168, 167, 139, 156, 134, 323, 136, 153),
    ),
    "aarch64": (
        *(89, 266, 112, 106, 273, 236, 105, 272, 294, 104, 18, 235, 239, 264, 42, 265, 270, 271, 142, 237, 170),
        *(225, 224, 282, 58),
    ),
}
"""The calls that container engines' default profiles refuse, as far as no capability allows them."""
_ADMIN_DENIED: dict[str, tuple[int, ...]] = {
    # bpf fanotify_init fsconfig fsmount fsopen fspick mount move_mount open_tree perf_event_open pivot_root quotactl
    # setdomainname sethostname setns syslog umount2 unshare
    "x86_64": (321, 300, 431, 432, 430, 433, 165, 429, 428, 298, 155, 179, 171, 170, 308, 103, 166, 272),
    "aarch64": (280, 262, 431, 432, 430, 433, 40, 429, 428, 241, 41, 60, 162, 161, 268, 116, 39, 97),
}
"""Those that they refuse without SYS_ADMIN."""
_CLONE: dict[str, int] = {"x86_64": 56, "aarch64": 220}
_CLONE3 = 435
_NEW_NAMESPACES = 0x7E020000
"""The flags CLONE_NEW* of clone(2). clone3 has them in memory, which no filter can read: it is unknown."""
_X32_BIT = 0x40000000
_KEYCTL_JOIN_SESSION_KEYRING = 1
_EPERM, _ENOSYS, _EAFNOSUPPORT = 1, 38, 97

_libc = ctypes.CDLL(None, use_errno=True)


def container_filter(machine: str, *, fake_ids: bool, confined: bool, denied: dict[int, int] | None = None) -> bytes:
    """Returns the seccomp program of a container; empty if none is needed. With `fake_ids`, changes of ids and owners
    return 0 and do nothing; with `confined`, kernel keys, io_uring and AF_VSOCK are refused as container engines refuse
    them. `denied` has the calls of a profile, which also refuses new namespaces."""
    calls = dict.fromkeys(_ID_CALLS[machine], 0) if fake_ids else {}
    if not confined:
        return filter_program(machine, calls) if calls else b""
    calls |= dict.fromkeys((*_KEY_CALLS[machine], _IO_URING_SETUP), _EPERM) | (denied or {})
    arch, old_calls = _KEY_CALLS_32[machine]
    other = (arch, dict.fromkeys((*old_calls, _IO_URING_SETUP), _EPERM))
    clone = _CLONE[machine] if denied and _CLONE3 in denied else None
    return filter_program(machine, calls, other, no_vsock=True, no_namespaces=clone)


def default_profile(machine: str, capabilities: Sequence[str]) -> dict[int, int]:
    """Returns the calls that the profile RuntimeDefault refuses, with their errors."""
    calls = dict.fromkeys(_DEFAULT_DENIED[machine], _EPERM)
    if "SYS_ADMIN" not in capabilities:
        calls |= dict.fromkeys(_ADMIN_DENIED[machine], _EPERM) | {_CLONE3: _ENOSYS}
    return calls


def filter_program(
    machine: str,
    calls: Mapping[int, int],
    other: tuple[int, Mapping[int, int]] | None = None,
    *,
    no_vsock: bool = False,
    no_namespaces: int | None = None,
) -> bytes:
    """Returns an array of `struct sock_filter` under which calls return an error number at once (0: success). `other`
    is a further architecture with its calls. `no_vsock` refuses AF_VSOCK. x32 calls, whose numbers would bypass the
    filter, are unknown (ENOSYS). `no_namespaces`: the number of clone, which may not make namespaces."""
    load, equal, at_least, has, ret = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, errno = (ret, 0, 0, 0x7FFF0000), 0x00050000
    program = [(load, 0, 0, 4)]
    for arch, numbers in filter(None, ((_ARCH[machine], calls), other)):
        body = [(load, 0, 0, 0)]
        if arch == _ARCH["x86_64"]:
            body += [(at_least, 0, 1, _X32_BIT), (ret, 0, 0, errno | _ENOSYS)]
        for number, code in numbers.items():
            body += [(equal, 0, 1, number), (ret, 0, 0, errno | code)]
        if no_namespaces is not None and arch == _ARCH[machine]:
            check = [(load, 0, 0, 16), (has, 0, 1, _NEW_NAMESPACES), (ret, 0, 0, errno | _EPERM), allow]
            body += [(equal, 0, len(check), no_namespaces), *check]
        if no_vsock:  # the low half of the first argument: the kernel takes an int
            refuse = [(load, 0, 0, 16), (equal, 0, 1, _AF_VSOCK), (ret, 0, 0, errno | _EAFNOSUPPORT), allow]
            body += [(equal, 0, len(refuse), _SOCKET[arch]), *refuse]
        program += [(equal, 0, len(body) + 1, arch), *body, allow]
    return b"".join(struct.pack("HBBI", *step) for step in (*program, allow))


def set_filter(code: bytes, flags: int = 0) -> None:
    """Installs a seccomp program for the rest of the process's life; needs no_new_privs or CAP_SYS_ADMIN. `flags` are
    those of seccomp(2)."""
    instructions = ctypes.create_string_buffer(code, len(code))
    program = ctypes.create_string_buffer(struct.pack("H6xQ", len(code) // 8, ctypes.addressof(instructions)))
    number = ctypes.c_long(_SECCOMP[os.uname().machine])
    if _libc.syscall(number, ctypes.c_ulong(_SECCOMP_SET_MODE_FILTER), ctypes.c_ulong(flags), program):
        raise OSError(ctypes.get_errno(), "seccomp")


@cache
def filter_here(*, fake_ids: bool, confined: bool, profile: tuple[str, ...] | None) -> bytes:
    """Returns a container's filter; empty if none is needed, or if the call numbers of this machine's architecture are
    unknown. `profile`: the capabilities of a container with the profile RuntimeDefault."""
    machine = os.uname().machine
    if machine not in _ARCH:
        return b""
    denied = None if profile is None else default_profile(machine, profile)
    return container_filter(machine, fake_ids=fake_ids, confined=confined, denied=denied)


def new_session_keyring() -> None:
    """Leaves the session keyring of the user who started the cluster. Without CONFIG_KEYS, and if the user's quota of
    keys is used up, the keyring stays."""
    calls = _KEY_CALLS.get(os.uname().machine)
    if calls:
        _libc.syscall(ctypes.c_long(calls[-1]), ctypes.c_long(_KEYCTL_JOIN_SESSION_KEYRING), None)


def bound_capabilities(keep: Sequence[str]) -> None:
    """Drops every capability but `keep` from the bounding set, so that no exec brings it back."""
    kept = {CAPABILITIES[name] for name in keep if name in CAPABILITIES}
    for number in range(64):
        if number in kept:
            continue
        try:
            linux.prctl(_PR_CAPBSET_DROP, number)
        except OSError as error:
            if error.errno == _EINVAL:  # past the kernel's last capability
                return
            raise


def set_capabilities(keep: Sequence[str]) -> None:
    """Reduces the capabilities of the calling process to exactly those of `keep` that it has."""
    mask = 0
    for name in keep:
        mask |= 1 << CAPABILITIES.get(name, 63)
    header = struct.pack("Ii", 0x20080522, 0)
    held = ctypes.create_string_buffer(24)
    if _libc.capget(header, held):
        raise OSError(ctypes.get_errno(), "capget")
    old = struct.unpack("6I", held.raw)
    mask &= old[1] | old[4] << 32
    low, high = mask & 0xFFFFFFFF, mask >> 32
    if _libc.capset(header, struct.pack("6I", low, low, 0, high, high, 0)):
        raise OSError(ctypes.get_errno(), "capset")


def become(uid: int, gid: int, *, single_id: bool) -> None:
    """Takes on another user, who keeps the permitted capabilities until exec. With one id mapped, a nested user
    namespace shows that id as `uid`."""
    if single_id:
        # Mounts and the network stay with the outer namespace; only how the one id is shown changes.
        linux.unshare(linux.CLONE_NEWUSER)
        linux.put("/proc/self/setgroups", "deny")
        linux.put("/proc/self/uid_map", f"{uid} 0 1")
        linux.put("/proc/self/gid_map", f"{gid} 0 1")
        return
    linux.prctl(linux.PR_SET_KEEPCAPS, 1)
    os.setgid(gid)
    os.setuid(uid)
