"""Kernel parameters of pods: which are set, and which are refused."""

from __future__ import annotations

import pytest

from fairlead.node.pods.sandbox.sysctls import sysctls_of, unsafe_sysctl
from tests.node.makers import pod


def asking(*names: str) -> dict[str, object]:
    return {"sysctls": [{"name": name, "value": "1"} for name in names]}


def test_names_with_dots_and_slashes_become_paths() -> None:
    found = pod(
        securityContext=asking("kernel.shm_rmid_forced", "net/ipv4/tcp_syncookies", "net.ipv4.conf.eth0/1.forwarding")
    )
    assert [path for path, _ in sysctls_of(found)] == [
        "kernel/shm_rmid_forced",
        "net/ipv4/tcp_syncookies",
        "net/ipv4/conf/eth0.1/forwarding",
    ]


@pytest.mark.parametrize(
    ("name", "allowed", "refused"),
    [
        ("net.ipv4.tcp_keepalive_time", (), False),
        ("kernel.msgmax", (), True),
        ("kernel.msgmax", ("kernel.msgmax",), False),
        ("kernel.msgmax", ("kernel.msg*",), False),
        ("kernel.sem", ("kernel.msg*", "net.*"), True),
    ],
)
def test_only_safe_and_allowed_ones_are_set(name: str, allowed: tuple[str, ...], refused: bool) -> None:
    assert unsafe_sysctl(pod(securityContext=asking(name)), allowed) == (name if refused else "")
