"""Load balancers on real machines, played by network namespaces on one switch: docs/machines.md in real packets."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fairlead.loadbalancer.announcer.plan import best
from tests.cluster.hosts import PYTHON, Namespace, cluster_on, namespace
from tests.cluster.pages import block, fenced, typed_for
from tests.cluster.support import ROOT, Cluster, in_one_of, new_cluster, until
from tests.loadbalancer.asking import Asking

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow, pytest.mark.root]

NAMES = ("m1", "m2", "m3")
ADDRESSES = {name: f"192.168.77.1{i}" for i, name in enumerate(NAMES, 1)}
API, CLIENT = "192.168.77.1", "192.168.77.100"
PAGE = "machines.md"
SERVE = """
import http.server, sys
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        self.wfile.write(f"{sys.argv[1]} saw {self.client_address[0]}".encode())
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("", 8080), Page).serve_forever()
"""
ASK = """
import sys, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=1).read().decode())
except OSError as e:
    print("failed:", e)
"""


@dataclass
class Machine:
    name: str
    place: Namespace
    announce: Callable[[], subprocess.Popen[str]]
    announcer: subprocess.Popen[str]

    def listens(self) -> bool:
        """Returns whether the announcer has its socket, the only one of this family on the machine."""
        return len(Path(f"/proc/{self.place.pid}/net/packet").read_text().splitlines()) > 1

    @property
    def holds(self) -> str:
        """The balancers' addresses that it has."""
        return " ".join(line.split()[3] for line in self.place.ip("-o", "addr").splitlines() if "/32" in line)


@dataclass
class Network:
    switch: Namespace
    client: Namespace
    cluster: Cluster
    machines: dict[str, Machine] = field(default_factory=dict)

    def kubectl(self, *arguments: str, text: str = "") -> str:
        host = self.cluster.runner.prefix
        command = [*host, "kubectl", "--kubeconfig", str(self.cluster.state / "kubeconfig"), *arguments]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=180)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def serve(self, name: str, *machines: str, **spec: Any) -> str:
        """A Service in front of the machines' own programs; returns its address."""
        fields = {"type": "LoadBalancer", "ports": [{"port": 80, "targetPort": 8080}]} | spec
        labels = {"kubernetes.io/service-name": name}
        made = [
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": fields},
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {"name": name, "labels": labels},
                "addressType": "IPv4",
                "ports": [{"port": 8080}],
                "endpoints": [{"addresses": [ADDRESSES[m]], "nodeName": m} for m in machines],
            },
        ]
        self.kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": made}))
        path = "jsonpath={.status.loadBalancer.ingress[0].ip}"
        return until("an address", lambda: self.kubectl("get", "svc", name, "-o", path))

    def ask(self, address: str) -> str:
        return self.client.run(PYTHON, "-c", ASK, f"http://{address}/").stdout.strip()

    def serves(self, address: str) -> str:
        answer = self.ask(address)
        return answer if " saw " in answer else ""

    def holders(self, address: str) -> list[str]:
        return [name for name, machine in self.machines.items() if f"{address}/32" in machine.holds]


def plug(switch: Namespace, place: Namespace, name: str, address: str) -> None:
    switch.ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(place.pid))
    switch.ip("link", "set", name, "master", "br0", "up")
    place.ip("addr", "add", f"{address}/24", "dev", "eth0")
    place.ip("link", "set", "eth0", "up")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    if os.getuid() != 0:
        pytest.skip("only root may give machines addresses")
    with ExitStack() as stack:
        switch, host, client = (stack.enter_context(namespace()) for _ in range(3))
        switch.ip("link", "add", "br0", "type", "bridge")
        switch.ip("link", "set", "br0", "up")
        plug(switch, host, "host", API)
        plug(switch, client, "client", CLIENT)
        cluster = stack.enter_context(cluster_on(host))
        folder = tmp_path_factory.mktemp("machines")
        typed_for(cluster, block(PAGE, f"--api-address {API} --lb-pool 192.168.77.200-210"), folder)
        file = folder / "machines.kubeconfig"
        made = Network(switch, client, cluster)
        typed_for(cluster, block(PAGE, "for name in m1 m2 m3"), folder)
        for name in NAMES:
            place = stack.enter_context(namespace())
            plug(switch, place, name, ADDRESSES[name])
            made.machines[name] = machine(stack, name, place, file)
        yield made


def machine(stack: ExitStack, name: str, place: Namespace, file: Path) -> Machine:
    sysctl, proxy, announce = (shlex.split(line.removesuffix("&")) for line in block(PAGE, "sysctl -w").splitlines())
    assert place.run(*sysctl).returncode == 0
    log = stack.enter_context(file.with_name(f"{name}.log").open("w"))

    def start(*command: str) -> subprocess.Popen[str]:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        made = subprocess.Popen([*place.enter, *command], text=True, stdout=log, stderr=log, env=environment, cwd="/")
        stack.callback(made.wait)
        stack.callback(made.kill)
        return made

    here = {"m1": name, ADDRESSES["m1"]: ADDRESSES[name], "machines.kubeconfig": str(file)}

    def agent(program: str, *words: str) -> subprocess.Popen[str]:
        assert program == "fairlead"
        return start(sys.executable, "-m", "fairlead.cmd.main", *(here.get(word, word) for word in words))

    start(PYTHON, "-c", SERVE, name)
    agent(*proxy)
    announcing = partial(agent, *announce)
    return Machine(name, place, announcing, announcing())


def test_an_address_of_the_machines_network_answers_on_one_machine(network: Network) -> None:
    assert f" and https://{API}:" in network.cluster.fairlead("status").stdout
    network.kubectl("apply", "-f", "-", text=fenced(PAGE, "yaml"))
    until("the page of the recipe", lambda: network.serves("192.168.77.200").startswith(("m1 ", "m2 ")))
    address = network.serve("shop", *NAMES)
    assert address == "192.168.77.200"
    until("the page", lambda: network.serves(address))
    assert network.holders(address) == [best(address, NAMES)]
    answers = {network.serves(address).partition(" ")[0] for _ in range(30)}
    assert answers == set(NAMES), "not every machine's program was asked"
    for i in range(1, 6):
        network.serve(f"more{i}", "m1")
    until("their machines", lambda: len({tuple(network.holders(f"192.168.77.20{i}")) for i in range(6)}) > 1)


def test_a_machine_that_dies_loses_its_addresses_within_two_seconds(network: Network) -> None:
    address = network.serve("shop", *NAMES)
    first = best(address, NAMES)
    second = best(address, [name for name in NAMES if name != first])
    (third,) = set(NAMES) - {first, second}
    network.serve("shop", third)
    until("its machine", lambda: network.holders(address) == [first])
    until("the page", lambda: network.serves(address).startswith(third))

    def move() -> None:
        try:
            with Asking(network.client.enter, f"http://{address}/") as asking:
                network.switch.ip("link", "set", first, "down")
                asking.more(50)
            assert asking.report.longest_s < 2.5, asking.report
            assert second in network.holders(address)
        finally:
            network.switch.ip("link", "set", first, "up")
            until("back again", lambda: network.holders(address) == [first])
            until("the page", lambda: network.serves(address))

    in_one_of(5, move)


def test_an_announcer_that_is_started_again_keeps_its_addresses(network: Network) -> None:
    address = network.serve("shop", *NAMES)
    holder = best(address, NAMES)
    until("its machine", lambda: network.holders(address) == [holder])
    until("every machine's page", lambda: {network.serves(address).partition(" ")[0] for _ in range(9)} == set(NAMES))
    machine = network.machines[holder]

    fair = []

    def restart() -> bool:
        """Returns whether the address stayed. Other machines rightly take it over if a busy machine needs two seconds
        for the start of a program."""
        seen: list[list[str]] = []
        with Asking(network.client.enter, f"http://{address}/") as asking:
            machine.announcer.kill()
            machine.announcer.wait()
            begun = time.monotonic()
            machine.announcer = machine.announce()
            until("its socket", machine.listens)
            in_time = time.monotonic() - begun < 1
            enough = asking.report.answers + 60
            while asking.report.answers < enough:
                seen.append(network.holders(address))
        until("its machine", lambda: network.holders(address) == [holder])
        if in_time:
            fair.append((seen, asking.report))
        return all(names == [holder] for names in seen) and asking.report.longest_s < 1

    assert any(restart() for _ in range(5)) or not fair, fair


def test_the_local_policy_announces_at_the_endpoints_machine_and_keeps_the_clients_address(network: Network) -> None:
    for name in ("m2", "m3"):
        address = network.serve("near", name, externalTrafficPolicy="Local")
        until(f"the page of {name}", partial(saw_client, network, address, name))
        assert network.holders(address) == [name]


def saw_client(network: Network, address: str, name: str) -> bool:
    return network.serves(address) == f"{name} saw {CLIENT}"


def test_machines_go_on_while_the_api_server_is_away(network: Network) -> None:
    address = network.serve("shop", *NAMES)
    first = best(address, NAMES)
    until("its machine", lambda: network.holders(address) == [first])
    network.cluster.fairlead("down")
    try:
        network.switch.ip("link", "set", first, "down")
        others = [name for name in NAMES if name != first]
        until("the next one", lambda: best(address, others) in network.holders(address))
        until("the page", lambda: network.serves(address))
    finally:
        network.switch.ip("link", "set", first, "up")
        network.cluster.up()
    assert network.serve("shop", *NAMES) == address


def test_wrong_use_is_an_error(network: Network) -> None:
    done = network.cluster.fairlead("announce", "--interface", "eth7")
    assert done.returncode == 2
    assert '--interface: this machine has no "eth7"' in done.stderr
    assert "it has lo, eth0" in done.stderr
    done = network.cluster.fairlead("announce")
    assert done.returncode == 2
    assert "announce needs --interface LINK" in done.stderr
    with new_cluster("user") as other:
        done = other.fairlead("announce", "--interface", "lo")
        assert done.returncode == 2
        assert "announce needs root" in done.stderr
    network.cluster.fairlead("down")
    done = network.cluster.fairlead("up", "--detach", "--api-address", "192.168.77.99")
    assert done.returncode == 1
    assert "--api-address: port" in done.stderr
    for text, why in (
        ("0.0.0.0", "expected an address at which other machines"),
        ("here", "expected an IP address or none"),
    ):
        done = network.cluster.fairlead("up", "--detach", "--api-address", text)
        assert done.returncode == 2
        assert why in done.stderr
