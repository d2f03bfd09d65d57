"""What a container's process gives up before it becomes the program: capabilities, ids, and (with one id) id changes.

Runs in a freshly forked child of the zygote, so: standard library only, and nothing that allocates much.
The capabilities left are those that container engines leave by default. Without CAP_SYS_ADMIN a pod cannot
unmount what hides the cluster's keys; a user namespace of its own does not help it, mounts are locked there.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Sequence

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
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_EINVAL = 22

# AUDIT_ARCH_* and the calls that change ids or owners, by `uname -m`.
_ID_CALLS: dict[str, tuple[int, tuple[int, ...]]] = {
    # chown fchown lchown fchownat setuid setgid setreuid setregid setgroups setresuid setresgid setfsuid setfsgid
    "x86_64": (0xC000003E, (92, 93, 94, 260, 105, 106, 113, 114, 116, 117, 119, 122, 123)),
    # fchownat fchown setregid setgid setreuid setuid setresuid setresgid setfsuid setfsgid setgroups
    "aarch64": (0xC00000B7, (54, 55, 143, 144, 145, 146, 147, 149, 151, 152, 159)),
}

_libc = ctypes.CDLL(None, use_errno=True)


def can_fake_ids() -> bool:
    """Whether the filter's call numbers are known for this machine's architecture."""
    return os.uname().machine in _ID_CALLS


def id_filter(machine: str) -> bytes:
    """The seccomp program (an array of `struct sock_filter`) under which id changes return 0 and do nothing."""
    arch, calls = _ID_CALLS[machine]
    load, equal, ret = 0x20, 0x15, 0x06
    allow, pretend = 0x7FFF0000, 0x00050000  # SECCOMP_RET_ALLOW; SECCOMP_RET_ERRNO with errno 0
    program = [(load, 0, 0, 4), (equal, 1, 0, arch), (ret, 0, 0, allow), (load, 0, 0, 0)]
    program += [(equal, len(calls) - i, 0, number) for i, number in enumerate(calls)]
    program += [(ret, 0, 0, allow), (ret, 0, 0, pretend)]
    return b"".join(struct.pack("HBBI", *step) for step in program)


def fake_id_changes() -> None:
    """Makes chown, setuid and their like appear to succeed from here on; needs no_new_privs."""
    code = id_filter(os.uname().machine)
    instructions = ctypes.create_string_buffer(code, len(code))
    program = ctypes.create_string_buffer(struct.pack("H6xQ", len(code) // 8, ctypes.addressof(instructions)))
    zero = ctypes.c_ulong(0)
    if _libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), program, zero, zero):
        raise OSError(ctypes.get_errno(), "seccomp")


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
    """Leaves the calling process exactly `keep`, of what it has."""
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


def become(uid: int, gid: int, groups: Sequence[int], *, single_id: bool) -> None:
    """Takes on another user. With one id mapped, a nested user namespace shows that id as `uid`."""
    if single_id:
        # Mounts and the network stay with the outer namespace; only how the one id is shown changes.
        linux.unshare(linux.CLONE_NEWUSER)
        linux.put("/proc/self/setgroups", "deny")
        linux.put("/proc/self/uid_map", f"{uid} 0 1")
        linux.put("/proc/self/gid_map", f"{gid} 0 1")
        return
    os.setgroups(list(groups))
    os.setgid(gid)
    os.setuid(uid)
