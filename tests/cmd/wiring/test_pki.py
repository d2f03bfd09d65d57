"""Certificates: made once, replaced if their names have changed, and always by the same authority."""

from __future__ import annotations

import os
import shutil
import ssl
from pathlib import Path

import pytest

from fairlead.base.clock import FakeClock, RealClock
from fairlead.base.instant import Instant
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.errors import CommandError
from fairlead.cmd.wiring import pki

pytestmark = pytest.mark.slow


def made(folder: Path, config: ClusterConfig, clock: FakeClock | RealClock) -> list[str]:
    wants = pki.missing(config, folder, clock=clock)
    if wants:
        pki.make(wants, folder, clock=clock)
    return [want.file for want in wants]


def test_everything_is_made_once(tmp_path: Path) -> None:
    clock = FakeClock()
    files = made(tmp_path, ClusterConfig("c", nodes=2), clock)
    every = [
        "apiserver",
        "admin",
        "kubelet-client",
        "kube-proxy",
        "relay",
        "front-proxy-client",
        "node-node1",
        "node-node2",
    ]
    assert sorted(files) == sorted(every)
    assert made(tmp_path, ClusterConfig("c", nodes=2), clock) == []
    assert {p.name for p in tmp_path.iterdir()} == {
        "ca.crt",
        "ca.key",
        "front-proxy-ca.crt",
        "front-proxy-ca.key",
        "sa.key",
        "issued.json",
        *(f"{file}.{end}" for file in files for end in ("crt", "key")),
    }
    assert all(p.stat().st_mode & 0o777 == 0o600 for p in tmp_path.iterdir())
    assert len(bytes.fromhex((tmp_path / "sa.key").read_text())) == 32


def test_another_node_gets_a_certificate_of_the_same_authority(tmp_path: Path) -> None:
    clock = FakeClock()
    made(tmp_path, ClusterConfig("c", nodes=1), clock)
    authority, tokens = (tmp_path / "ca.crt").read_bytes(), (tmp_path / "sa.key").read_bytes()
    assert made(tmp_path, ClusterConfig("c", nodes=2), clock) == ["node-node2"]
    assert (tmp_path / "ca.crt").read_bytes() == authority
    assert (tmp_path / "sa.key").read_bytes() == tokens


def test_other_addresses_and_near_expiry_replace_a_certificate(tmp_path: Path) -> None:
    clock = FakeClock()
    made(tmp_path, ClusterConfig("c"), clock)
    assert made(tmp_path, ClusterConfig("c", service_cidr="10.97.0.0/16"), clock) == ["apiserver"]
    clock.advance((pki.VALID_DAYS - pki.RENEW_DAYS + 1) * pki.DAY_S)
    assert "admin" in made(tmp_path, ClusterConfig("c", service_cidr="10.97.0.0/16"), clock)


def test_a_lost_key_is_replaced_with_its_certificate(tmp_path: Path) -> None:
    clock = FakeClock()
    made(tmp_path, ClusterConfig("c"), clock)
    os.unlink(tmp_path / "relay.key")
    assert made(tmp_path, ClusterConfig("c"), clock) == ["relay"]


@pytest.mark.parametrize("text", ["", "-----BEGIN PRIVATE KEY-----\nMIG", "[]"])
def test_a_truncated_file_is_made_again(tmp_path: Path, text: str) -> None:
    clock = FakeClock()
    every = made(tmp_path, ClusterConfig("c"), clock)
    (tmp_path / "admin.key").write_text(text)
    assert made(tmp_path, ClusterConfig("c"), clock) == ["admin"]
    for file in ("ca.crt", "ca.key", "sa.key", "issued.json"):
        (tmp_path / file).write_text(text)
        assert made(tmp_path, ClusterConfig("c"), clock) == every
        assert made(tmp_path, ClusterConfig("c"), clock) == []
    assert len(bytes.fromhex((tmp_path / "sa.key").read_text())) == 32


def test_a_client_and_the_server_believe_each_other(tmp_path: Path) -> None:
    made(tmp_path, ClusterConfig("c"), RealClock())
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(tmp_path / "apiserver.crt", tmp_path / "apiserver.key")
    server_context.load_verify_locations(tmp_path / "ca.crt")
    server_context.verify_mode = ssl.CERT_REQUIRED
    client_context = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    client_context.load_cert_chain(tmp_path / "admin.crt", tmp_path / "admin.key")
    for name in ("127.0.0.1", "10.96.0.1", "172.30.0.1", "kubernetes.default.svc.cluster.local"):
        subject = _handshake(server_context, client_context, name)
        assert (("commonName", "kubernetes-admin"),) in subject
        assert (("organizationName", "system:masters"),) in subject


def _handshake(server_context: ssl.SSLContext, client_context: ssl.SSLContext, name: str) -> tuple[object, ...]:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    done = set()
    for _ in range(10):
        for side in (client, server):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                pass
    assert done == {client, server}
    certificate = server.getpeercert()
    assert certificate is not None
    return tuple(certificate["subject"])


@pytest.mark.parametrize("days", [-3600, -5, 5, 3500])
def test_certificates_hold_wherever_the_clock_jumps_within_years(tmp_path: Path, days: int) -> None:
    """Made by a clock that is wrong by so much, used by the right one."""
    made(tmp_path, ClusterConfig("c"), FakeClock(RealClock().now() + days * pki.DAY_S))
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(tmp_path / "apiserver.crt", tmp_path / "apiserver.key")
    server_context.load_verify_locations(tmp_path / "ca.crt")
    server_context.verify_mode = ssl.CERT_REQUIRED
    client_context = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    client_context.load_cert_chain(tmp_path / "admin.crt", tmp_path / "admin.key")
    assert _handshake(server_context, client_context, "127.0.0.1")


def test_a_clock_that_was_in_1970_makes_certificates_that_the_next_start_replaces(tmp_path: Path) -> None:
    every = made(tmp_path, ClusterConfig("c"), FakeClock(Instant(1000)))
    authority = (tmp_path / "ca.crt").read_bytes()
    assert made(tmp_path, ClusterConfig("c"), RealClock()) == every
    assert (tmp_path / "ca.crt").read_bytes() == authority


def test_a_swapped_certificate_is_replaced(tmp_path: Path) -> None:
    clock = FakeClock()
    made(tmp_path, ClusterConfig("c"), clock)
    (tmp_path / "relay.crt").write_bytes((tmp_path / "admin.crt").read_bytes())
    assert made(tmp_path, ClusterConfig("c"), clock) == ["relay"]
    assert made(tmp_path, ClusterConfig("c"), clock) == []


@pytest.mark.parametrize("file", ["ca.crt", "ca.key", "sa.key"])
def test_a_swapped_file_of_the_authority_is_named_with_the_cure(tmp_path: Path, file: str) -> None:
    clock = FakeClock()
    every = made(tmp_path / "pki", ClusterConfig("c"), clock)
    made(tmp_path / "other", ClusterConfig("c"), clock)
    (tmp_path / "pki" / file).write_bytes((tmp_path / "other" / file).read_bytes())
    with pytest.raises(CommandError, match=rf"{file} is not the file .* made with: .*rm -r {tmp_path}/pki$"):
        made(tmp_path / "pki", ClusterConfig("c"), clock)
    shutil.rmtree(tmp_path / "pki")
    assert made(tmp_path / "pki", ClusterConfig("c"), clock) == every
