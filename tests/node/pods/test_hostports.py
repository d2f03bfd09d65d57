"""`hostPort`: packets to a port of the node reach the pod, and of two pods that want one port the second is refused."""

from __future__ import annotations

import asyncio
import socket

import pytest

from fairlead.api.core.pod.kind import POD
from fairlead.net.hostports.plan import PortMapping
from fairlead.node.pods.sandbox.hostports import mappings_of
from tests.net.sandbox import as_any_user
from tests.node.makers import pod
from tests.node.nodebench import NodeBench, on_node, ready, shell

NODE = "172.30.0.11"
UDP_ECHO = """exec python3 -c '
import os, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 5353))
while True:
    data, peer = s.recvfrom(99)
    s.sendto(data + b" from " + os.environb[b"ME"], peer)
'"""
ME = [{"name": "ME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]


def web(port: int = 18099, **more: str) -> dict[str, object]:
    ports = [{"containerPort": 8080, "hostPort": port, "protocol": "TCP"} | more]
    return {"name": "web", "image": "fairlead/web", "ports": ports}


def test_a_host_port_without_an_address_is_open_in_every_family() -> None:
    def found(**port: object) -> list[PortMapping]:
        ports = [{"containerPort": 80, "hostPort": 8080} | port]
        made = pod(containers=[{"name": "c", "image": "x", "ports": ports}])
        return list(mappings_of(made, ("10.244.1.2", "fd00::2")))

    four, six = PortMapping("tcp", "", 8080, "10.244.1.2", 80), PortMapping("tcp", "", 8080, "fd00::2", 80)
    assert found() == [four, six]
    assert found(hostIP="0.0.0.0") == [four]
    assert found(hostIP="::") == [six]
    assert found(hostIP=NODE, protocol="UDP") == [PortMapping("udp", NODE, 8080, "10.244.1.2", 80)]
    assert found(hostPort=0) == []
    shared = pod(containers=[{"name": "c", "image": "x", "ports": [{"containerPort": 80, "hostPort": 80}]}])
    shared.spec.hostNetwork = True
    assert list(mappings_of(shared, (NODE,))) == []


@pytest.mark.kernel
@as_any_user
def test_the_nodes_port_leads_to_the_pod_from_everywhere_and_after_a_restart_of_the_agent(ordinary: bool) -> None:
    ask = f"until curl -sf --max-time 5 http://{NODE}:18099/; do sleep 0.1; done"

    async def work(node: NodeBench) -> tuple[list[str], list[str]]:
        async with node.agent():
            server = await node.create("server", web(), shell(ask + "; sleep infinity"))
            await node.until("server", ready)
            answers = [(await node.get(address, 18099))[1] for address in (NODE, "127.0.0.1")]
            await node.create("client", shell(ask), restartPolicy="Never")
            client = await node.until("client", lambda p: p.status.phase == "Succeeded")
            answers += node.log(client, "main")
            answers += await node.first_lines(server, "main")  # the pod reached itself
        async with node.agent():
            await node.until("server", ready)
            answers.append((await node.get("127.0.0.1", 18099))[1])
        return answers, await node.events()

    answers, events = on_node(work, ordinary=ordinary)
    assert [answer.split(" on ")[0] for answer in answers] == ["Pod server"] * 5
    assert not [e for e in events if "Ignored" in e]


@pytest.mark.kernel
def test_a_udp_client_reaches_the_next_endpoint_and_never_a_removed_one() -> None:
    async def work(node: NodeBench) -> list[str]:
        echo = shell(UDP_ECHO, env=ME, ports=[{"containerPort": 5353, "hostPort": 5300, "protocol": "UDP"}])
        answers = []
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            client.connect((NODE, 5300))
            async with node.agent():
                for name in ("first", "second"):
                    await node.create(name, echo, terminationGracePeriodSeconds=1)
                    answers.append(await ask(client))
                    await node.client.delete(POD, name, "default")
                    await node.gone(name)
        return answers

    assert on_node(work) == ["hello from first", "hello from second"]


async def ask(client: socket.socket) -> str:
    """The answer, as soon as there is anything that answers."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(30):
        while True:
            try:
                client.send(b"hello")
                async with asyncio.timeout(0.2):
                    return (await loop.sock_recv(client, 99)).decode()
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
            except TimeoutError:
                continue


@pytest.mark.kernel
def test_of_two_pods_bound_to_a_node_by_hand_the_second_is_refused_until_the_first_has_gone() -> None:
    async def work(node: NodeBench) -> tuple[list[str], list[str]]:
        async with node.agent():
            await node.create("first", web(), terminationGracePeriodSeconds=1)
            await node.until("first", ready)
            await node.create("second", web(hostIP=NODE))
            second = await node.until("second", lambda p: p.status.phase == "Failed")
            await node.create("elsewhere", web(port=18100))
            await node.until("elsewhere", ready)
            await node.client.delete(POD, "first", "default")
            await node.gone("first")
            await node.create("third", web())
            await node.until("third", ready)
            answer = (await node.get(NODE, 18099))[1]
            return [second.status.reason, second.status.message, answer.split(" on ")[0]], await node.recorded(
                "NodePorts"
            )

    told, events = on_node(work)
    why = "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
    assert told == ["NodePorts", f"Pod was rejected: {why}", "Pod third"]
    assert f"Warning NodePorts {why}" in events
