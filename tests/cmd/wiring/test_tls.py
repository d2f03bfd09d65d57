"""TLS contexts from the cluster's certificates, and what is prepared before processes are forked."""

from __future__ import annotations

from pathlib import Path

from fairlead.base.clock import RealClock
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.wiring import pki, tls


def made(folder: Path) -> Path:
    config = ClusterConfig("tls", nodes=1)
    pki.make(pki.certificate_specs(config), folder, clock=RealClock())
    return folder


def test_the_clusters_certificates_make_a_handshake_before_processes_are_forked(tmp_path: Path) -> None:
    assert tls.prepare(made(tmp_path))


def test_certificates_that_cannot_be_used_are_left_to_the_processes_that_need_them(tmp_path: Path) -> None:
    folder = made(tmp_path)
    (folder / "relay.key").write_text("no key")
    assert not tls.prepare(folder)
    (folder / "ca.crt").unlink()
    assert not tls.prepare(folder)
