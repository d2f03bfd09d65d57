"""The same questions by the resolvers of two C libraries, glibc's and musl's, in Pods, over IPv4 and IPv6.

`lookup.c` is built with each at test time. glibc uses UDP and TCP (`use-vc`). musl 1.2.3 (Debian 12) never uses TCP
and takes what fits a datagram. musl 1.2.4 and later (Debian 13) use TCP for truncated answers and have the error
EAI_NODATA, by which the tests recognise them. musl queries A and AAAA at once, and is strict: NXDOMAIN to either
means that the name does not exist, and NODATA ends the search list."""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.support import until
from tests.dns.live import (
    BOTH,
    DNS,
    MANY,
    MARKS,
    OUTSIDE,
    OUTSIDE6,
    PODS,
    TAIL,
    WEB,
    Names,
    ips_of,
    parted,
    pod,
    ready,
)

pytestmark = MARKS

SOURCE = Path(__file__).with_name("lookup.c")
COMPILERS = {"glibc": ("gcc", "-lresolv"), "musl": ("musl-gcc", "-static")}
WAYS = ["glibc", "glibc over TCP", "musl"]
MUSL_MOST = 48
"""Maximum of addresses that musl's getaddrinfo returns: MAXADDRS of its lookup.h."""


@dataclass(frozen=True)
class Lookup:
    names: Names
    dual: bool

    def ask(self, way: str, questions: list[str], transport: str = "4") -> dict[str, list[str]]:
        """Returns for each question the program's output, sorted."""
        libc = way.partition(" ")[0]
        if not shutil.which(COMPILERS[libc][0]):
            pytest.skip(f"{COMPILERS[libc][0]} is not installed")
        words = [word for question in questions for word in question.split()]
        options = "RES_OPTIONS=use-vc" if way.endswith("TCP") else "RES_OPTIONS="
        return parted(self.names.in_pod("env", options, f"/opt/{libc}", *words, pod=f"look{transport}"))

    def is_old_musl(self, way: str) -> bool:
        """Returns whether the library is a musl before 1.2.4, by its error for an address of the other family."""
        question = "6 127.0.0.1"
        return way == "musl" and self.ask(way, [question]) == {question: ["error NONAME"]}


def build(folder: Path) -> dict[str, str]:
    """Returns the programs, by the library that they are built with, in Base64."""
    found = {}
    for libc, (compiler, flag) in COMPILERS.items():
        if shutil.which(compiler):
            command = [compiler, "-O1", "-Wall", "-Wno-format-truncation", "-o", str(folder / libc), str(SOURCE), flag]
            subprocess.run(command, check=True)
            found[libc] = base64.b64encode((folder / libc).read_bytes()).decode()
    return found


@pytest.fixture(scope="module")
def lookup(names: Names, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lookup]:
    programs = build(tmp_path_factory.mktemp("lookup"))
    if not programs:
        pytest.skip("neither gcc nor musl-gcc is installed")
    maps = "/api/v1/namespaces/default/configmaps"
    names.api.call("POST", maps, {"metadata": {"name": "lookup"}, "binaryData": programs})
    volume = {"name": "programs", "configMap": {"name": "lookup", "defaultMode": 0o755}}
    mount = {"name": "programs", "mountPath": "/opt"}
    searches = [TAIL, "svc.cluster.local", "cluster.local"]
    six = {"nameservers": [DNS[1]], "searches": searches, "options": [{"name": "ndots", "value": "5"}]}
    specs: dict[str, dict[str, Any]] = (
        {"look4": {}, "look6": {"dnsPolicy": "None", "dnsConfig": six}} if names.dual else {"look4": {}}
    )
    for name, spec in specs.items():
        made = pod(name, volumes=[volume], **spec)
        made["spec"]["containers"][0]["volumeMounts"] = [mount]
        names.api.call("POST", PODS, made)
    for name in specs:
        until(f"{name} runs", lambda name=name: ready(names.api.get(f"{PODS}/{name}")))  # type: ignore[misc]
    yield Lookup(names, names.dual)
    for name in specs:
        names.api.call("DELETE", f"{PODS}/{name}")
    names.api.call("DELETE", f"{maps}/lookup")


def check(lookup: Lookup, way: str, wanted: Mapping[str, list[str]]) -> None:
    for transport in ("4", "6") if lookup.dual else ("4",):
        found = lookup.ask(way, list(wanted), transport)
        assert found == {question: sorted(lines) for question, lines in wanted.items()}, f"over IPv{transport}"


@pytest.mark.parametrize("way", WAYS)
def test_addresses_by_short_and_full_names_through_the_search_list(lookup: Lookup, way: str) -> None:
    wanted = {f"any {name}": [WEB, "10.96.44.1"] for name in ("web-svc", "web-svc.default", "web-svc.default.svc", WEB)}
    wanted["any WEB-svc"] = [WEB.replace("web", "WEB"), "10.96.44.1"]
    wanted["4 both"] = [f"both.{TAIL}", BOTH[0]]
    wanted["any www.example.net"] = ["www.example.net", OUTSIDE, OUTSIDE6]
    wanted["any out"] = ["www.example.org", OUTSIDE, OUTSIDE6]
    wanted["any alias"] = [f"both.{TAIL}", *(BOTH if lookup.dual else BOTH[:1])]
    if lookup.dual:
        wanted["6 both"] = [f"both.{TAIL}", BOTH[1]]
        wanted["any both"] = [f"both.{TAIL}", *BOTH]
    check(lookup, way, wanted)


@pytest.mark.parametrize("way", WAYS)
def test_endpoints_and_pods_have_names_and_reverse_names(lookup: Lookup, way: str) -> None:
    api = lookup.names.api
    members = [ips_of(api, f"db-{n}") for n in range(2)]
    web = ips_of(api, "web")[0]
    dashed = web.replace(".", "-")
    wanted = {
        "4 db": [f"db.{TAIL}", *(own[0] for own in members)],
        "any db": [f"db.{TAIL}", *(ip for own in members for ip in own)],
        "any db-0.db": [f"db-0.db.{TAIL}", *members[0]],
        f"any {dashed}.default.pod.cluster.local": [f"{dashed}.default.pod.cluster.local", web],
        f"any {dashed}.web-svc": [f"{dashed}.{WEB}", web],
        "name 10.96.44.1": [WEB],
        f"name {members[0][0]}": [f"db-0.db.{TAIL}"],
    }
    if lookup.dual:
        wanted["6 db"] = [f"db.{TAIL}", *(own[1] for own in members)]
        wanted[f"name {BOTH[1]}"] = [f"both.{TAIL}"]
        wanted[f"name {members[1][1]}"] = [f"db-1.db.{TAIL}"]
    check(lookup, way, wanted)


@pytest.mark.parametrize("way", WAYS)
def test_every_kind_of_record_can_be_asked_for(lookup: Lookup, way: str) -> None:
    check(
        lookup,
        way,
        {
            f"A {WEB}": [f"{WEB} A 10.96.44.1"],
            f"AAAA {WEB}": ["error NODATA"],
            f"SRV _http._tcp.{WEB}": [f"_http._tcp.{WEB} SRV 0 100 80 {WEB}"],
            f"SRV _http._tcp.db.{TAIL}": [
                f"_http._tcp.db.{TAIL} SRV 0 50 8080 db-{n}.db.{TAIL}" for n in range(2)
            ],
            f"CNAME out.{TAIL}": [f"out.{TAIL} CNAME www.example.org"],
            f"A out.{TAIL}": [f"out.{TAIL} CNAME www.example.org", f"www.example.org A {OUTSIDE}"],
            "TXT dns-version.cluster.local": ["dns-version.cluster.local TXT 1.1.0"],
            "NS cluster.local": ["cluster.local NS ns.dns.cluster.local"],
            "SOA cluster.local": ["cluster.local SOA ns.dns.cluster.local"],
            "PTR 1.44.96.10.in-addr.arpa": [f"1.44.96.10.in-addr.arpa PTR {WEB}"],
            f"A nobody.{TAIL}": ["error NONAME"],
        },
    )  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_a_missing_name_is_distinguished_from_a_name_without_such_records(lookup: Lookup, way: str) -> None:
    """Uses no upstream: the names end in a dot."""
    no_data = "error NONAME" if lookup.is_old_musl(way) else "error NODATA"
    wanted = {
        f"any nobody.{TAIL}.": ["error NONAME"],
        f"any empty.{TAIL}.": ["error NONAME"],
        f"any lost.{TAIL}.": ["error NONAME"],
        f"6 {WEB}.": [no_data],
        "4 svc.cluster.local.": [no_data],
    }
    check(lookup, way, wanted)


@pytest.mark.parametrize("way", WAYS)
def test_an_answer_longer_than_a_datagram_is_fetched_over_tcp_or_used_as_far_as_it_goes(
    lookup: Lookup, way: str
) -> None:
    (found,) = lookup.ask(way, [f"any many.{TAIL}."]).values()
    addresses = [line for line in found if line != f"many.{TAIL}"]
    assert len(set(addresses)) == len(addresses)
    assert all(address.startswith("10.244.99.") for address in addresses)
    if lookup.is_old_musl(way):
        assert 20 < len(addresses) < MUSL_MOST
    else:
        assert len(addresses) == (MUSL_MOST if way == "musl" else MANY)
