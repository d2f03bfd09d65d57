"""Certificates: made once, replaced if their names have changed, and always by the same authority."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import shutil
import ssl
from pathlib import Path
from zlib import crc32

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
        "service-account",
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
        "issued.json",
        *(f"{file}.{end}" for file in files for end in ("crt", "key")),
    }
    assert all(p.stat().st_mode & 0o777 == 0o600 for p in tmp_path.iterdir())


def test_another_node_gets_a_certificate_of_the_same_authority(tmp_path: Path) -> None:
    clock = FakeClock()
    made(tmp_path, ClusterConfig("c", nodes=1), clock)
    authority, tokens = (tmp_path / "ca.crt").read_bytes(), (tmp_path / "service-account.key").read_bytes()
    assert made(tmp_path, ClusterConfig("c", nodes=2), clock) == ["node-node2"]
    assert (tmp_path / "ca.crt").read_bytes() == authority
    assert (tmp_path / "service-account.key").read_bytes() == tokens


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
    for file in ("ca.crt", "ca.key", "issued.json"):
        (tmp_path / file).write_text(text)
        assert made(tmp_path, ClusterConfig("c"), clock) == every
        assert made(tmp_path, ClusterConfig("c"), clock) == []


def older_layout(folder: Path, clock: FakeClock) -> None:
    """Makes the files of a cluster whose tokens have a symmetric key."""
    made(folder, ClusterConfig("c"), clock)
    for end in ("crt", "key"):
        (folder / f"service-account.{end}").unlink()
        (folder / f"kube-proxy.{end}").unlink()
    (folder / "sa.key").write_text("5a" * 32)
    tree = json.loads((folder / "issued.json").read_bytes())
    del tree["service-account"], tree["kube-proxy"]
    tree["files"] = {name: crc32(path.read_bytes().strip()) for path in folder.iterdir() if (name := path.name)}
    (folder / "issued.json").write_text(json.dumps(tree))


def test_an_older_cluster_gets_a_key_for_tokens_and_its_tokens_stay_valid(tmp_path: Path) -> None:
    clock = FakeClock()
    older_layout(tmp_path, clock)
    assert sorted(made(tmp_path, ClusterConfig("c"), clock)) == ["kube-proxy", "service-account"]
    assert made(tmp_path, ClusterConfig("c"), clock) == []
    keys = pki.token_keys(tmp_path)
    old = hmac.new(b"5a" * 32, b"x", hashlib.sha256).digest()
    assert keys.verify(b"x", old, algorithm="HS256", kid="")
    assert keys.verify(b"x", keys.sign(b"x"), algorithm="ES256", kid=keys.signing_id)
    (tmp_path / "sa.key").write_text("")
    assert not pki.token_keys(tmp_path).verify(b"x", old, algorithm="HS256", kid="")


@pytest.mark.parametrize("years", [0, 10])
def test_tokens_of_an_earlier_key_are_valid_while_its_public_key_is_there(tmp_path: Path, years: int) -> None:
    clock = FakeClock()
    made(tmp_path, ClusterConfig("c"), clock)
    before = pki.token_keys(tmp_path)
    signature, kid = before.sign(b"x"), before.signing_id
    if years:
        clock.advance(years * 365 * pki.DAY_S)
    else:
        (tmp_path / "service-account.key").unlink()
    assert "service-account" in made(tmp_path, ClusterConfig("c"), clock)
    after = pki.token_keys(tmp_path)
    assert after.verify(b"x", signature, algorithm="ES256", kid=kid)
    assert after.signing_id != kid
    assert made(tmp_path, ClusterConfig("c"), clock) == []
    (kept,) = tmp_path.glob("service-account-*.pub")
    kept.unlink()
    assert not pki.token_keys(tmp_path).verify(b"x", signature, algorithm="ES256", kid=kid)
    assert made(tmp_path, ClusterConfig("c"), clock) == []


def test_a_swapped_certificate_adds_no_key_of_tokens(tmp_path: Path) -> None:
    made(tmp_path, ClusterConfig("c"), clock := FakeClock())
    (tmp_path / "service-account.crt").write_bytes((tmp_path / "admin.crt").read_bytes())
    assert made(tmp_path, ClusterConfig("c"), clock) == ["service-account"]
    assert not list(tmp_path.glob("*.pub"))


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


@pytest.mark.parametrize("file", ["ca.crt", "ca.key"])
def test_a_swapped_file_of_the_authority_is_named_with_the_cure(tmp_path: Path, file: str) -> None:
    clock = FakeClock()
    every = made(tmp_path / "pki", ClusterConfig("c"), clock)
    made(tmp_path / "other", ClusterConfig("c"), clock)
    (tmp_path / "pki" / file).write_bytes((tmp_path / "other" / file).read_bytes())
    with pytest.raises(CommandError, match=rf"{file} is not the file .* made with: .*rm -r {tmp_path}/pki$"):
        made(tmp_path / "pki", ClusterConfig("c"), clock)
    shutil.rmtree(tmp_path / "pki")
    assert made(tmp_path / "pki", ClusterConfig("c"), clock) == every
