"""The arguments of `fairlead proxy`, and its error messages."""

from __future__ import annotations

import contextlib
import io
import os
import socket
from pathlib import Path
from typing import Any, NoReturn

import pytest

import fairlead.net.nft.run
import fairlead.proxy.sync.modes  # noqa: F401 -- an ordinary user's child cannot import anything any more
from fairlead.cmd.commands.machine.proxy import FLAGS, read_config
from fairlead.cmd.errors import CommandError
from fairlead.cmd.main import main, parse
from fairlead.net import linux
from fairlead.proxy.settings.config import ProxyConfig
from tests.net.sandbox import answer, answer_of, in_sandbox, stay


def config(*flags: str) -> ProxyConfig:
    return read_config(parse(["proxy", *flags]))


def test_flags_are_the_configurations_fields() -> None:
    assert config() == ProxyConfig()
    found = config(
        *("--proxy-mode", "iptables", "--cluster-cidr", "10.0.0.0/8,fd00::/8", "--hostname-override", "n"),
        *("--bind-address", "10.0.0.9", "--iptables-min-sync-period", "1s", "--iptables-sync-period", "1m"),
        *("--nodeport-addresses", "primary,10.0.0.0/8", "--masquerade-all", "--no-iptables-localhost-nodeports"),
        *("--healthz-bind-address", "127.0.0.1:1", "--metrics-bind-address", "127.0.0.1:2"),
        *("--detect-local-mode", "InterfaceNamePrefix", "--pod-interface-name-prefix", "cali"),
    )
    assert found == ProxyConfig(
        mode="iptables",
        cluster_cidrs=("10.0.0.0/8", "fd00::/8"),
        node_name="n",
        node_ip="10.0.0.9",
        min_sync_s=1.0,
        sync_s=60.0,
        node_ports=("primary", "10.0.0.0/8"),
        masquerade_all=True,
        localhost=False,
        healthz=("127.0.0.1", 1),
        metrics=("127.0.0.1", 2),
        detect_local="InterfaceNamePrefix",
        link="cali",
    )


def test_a_file_counts_instead_of_flags(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("mode: iptables\nclientConnection: {kubeconfig: /k}\n")
    found = config("--config", str(path), "--proxy-mode", "nftables")
    assert (found.mode, found.kubeconfig) == ("iptables", "/k")


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--proxy-mode", "ipvs"], '--proxy-mode: "ipvs" is not one of nftables, iptables'),
        (["--nodeport-addresses", "here"], '--nodeport-addresses: invalid range of addresses "here"'),
        (["--cluster-cidr", "10.0.0.0"], '--cluster-cidr: invalid range of addresses "10.0.0.0"'),
        (["--nftables-sync-period", "soon"], '--nftables-sync-period: invalid duration "soon"'),
        (["--healthz-bind-address", "x"], "--healthz-bind-address"),
        (["--detect-local-mode", "BridgeInterface"], "--pod-bridge-interface: is needed"),
        (["--config", "/nowhere/at/all"], "cannot read --config /nowhere/at/all"),
        (["--kubeconfig", "/nowhere/at/all"], "cannot read the kubeconfig /nowhere/at/all"),
        ([], "--kubeconfig FILE is required outside of a Pod"),
    ],
)
def test_an_invalid_value_is_reported_with_its_flag(
    flags: list[str], expected: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert main(["proxy", *flags]) in (1, 2)
    shown = capsys.readouterr().err
    assert shown.startswith("fairlead: ")
    assert expected in shown
    assert shown.count("\n") == 1


def test_every_flag_names_a_field_that_there_is() -> None:
    for flag in FLAGS:
        if flag.name in ("hostname-override", "pod-bridge-interface", "pod-interface-name-prefix"):
            continue  # any text will do
        with pytest.raises(CommandError) as caught:
            config(f"--{flag.name}", "\x00")
        assert "unknown field" not in str(caught.value), flag.field


@pytest.mark.kernel
def test_the_error_without_permissions_names_the_needed_ones() -> None:
    def work() -> Any:
        linux.unshare(linux.CLONE_NEWUSER)  # with all rights there, and none over the network namespace
        with contextlib.redirect_stderr(io.StringIO()) as shown:
            return main(["proxy", "--cleanup"]), shown.getvalue()

    code, text = in_sandbox(work, ordinary=True)
    assert code == 1
    assert "needs CAP_NET_ADMIN in this network namespace" in text
    assert text.count("\n") == 1


def test_an_ordinary_user_gets_our_error_before_the_librarys() -> None:
    def work() -> tuple[int, str, bytes]:
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        library = os.memfd_create("stderr")
        os.dup2(library, 2)
        with contextlib.redirect_stderr(io.StringIO()) as shown:
            code = main(["proxy", "--cleanup"])
        return code, shown.getvalue(), os.pread(library, 1000, 0)

    def child(parent: socket.socket) -> NoReturn:
        stay(parent)
        answer(parent, work)

    code, text, printed = answer_of(child)
    assert code == 1
    assert "needs CAP_NET_ADMIN in this network namespace" in text
    assert text.count("\n") == 1
    assert printed == b""
