"""Pods on a node, with real namespaces and an API server in memory."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import time
from pathlib import Path

import aiohttp
import pytest

from fairlead.api.core.configmap.kind import CONFIG_MAP, ConfigMap
from fairlead.api.core.node.kind import NODE
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.meta.types import ObjectMeta
from fairlead.base.instant import parse_time
from fairlead.node.runtime.agent.zygoteclient import ZygoteEnded, ZygoteVersionError
from fairlead.node.runtime.protocol.messages import VERSION
from fairlead.node.volumes.podlogs import PodLogs
from tests.net.sandbox import as_any_user
from tests.node.nodebench import NodeBench, on_node, ready, shell

pytestmark = pytest.mark.kernel

WEB = {"name": "web", "image": "fairlead/web"}
PORT = [{"name": "PORT", "value": "8081"}]
NGINX = {"name": "nginx", "image": "nginx:1.14"}


@as_any_user
def test_nginx_answers_with_its_pods_name_and_says_what_it_is(ordinary: bool) -> None:
    async def work(node: NodeBench) -> tuple[Pod, tuple[int, str], list[str], float]:
        async with node.agent():
            await node.create("first", WEB)
            await node.until("first", ready)
            at = time.monotonic()
            await node.create("webui-1", NGINX)
            pod = await node.until("webui-1", ready)
            took = time.monotonic() - at
            answer = await node.get(pod.status.podIP, 80)
            return pod, answer, await node.recorded('image "nginx:1.14"', "Started container nginx"), took

    pod, (code, text), events, took = on_node(work, ordinary=ordinary)
    assert code == 200
    assert "nginx in Pod webui-1" in text
    assert "<h1>Welcome to nginx!</h1>" in text  # the words that tutorials and tests look for
    status = pod.status.containerStatuses[0]
    assert status.image == "nginx:1.14"
    assert status.imageID.startswith("host://nginx/1.")
    assert status.containerID.startswith("fairlead://")
    assert (pod.status.phase, pod.status.hostIP, pod.status.qosClass) == ("Running", "172.30.0.11", "BestEffort")
    assert {c.type for c in pod.status.conditions if c.status == "True"} == {
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
    }
    assert any('Normal Pulled Container image "nginx:1.14" is served by the host\'s nginx' in e for e in events)
    assert "Normal Started Started container nginx" in events
    assert took < 25, "as if something waited for a time-out"


@as_any_user
def test_fairlead_web_says_where_it_runs(ordinary: bool) -> None:
    async def work(node: NodeBench) -> tuple[str, str]:
        async with node.agent():
            await node.create("w", WEB | {"args": ["81"]})
            pod = await node.until("w", ready)
            return pod.status.podIP, (await node.get(pod.status.podIP, 81))[1]

    ip, text = on_node(work, ordinary=ordinary)
    assert text == f"Pod w on node1 at {ip}\n"


def test_the_node_registers_itself_as_ready() -> None:
    async def work(node: NodeBench) -> tuple[str, list[str], str]:
        async with node.agent():
            async with asyncio.timeout(30):
                while not (found := (await node.client.list(NODE)).items):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            one = found[0]
            facts = [f"{a.type}={a.address}" for a in one.status.addresses]
            state = [c.status for c in one.status.conditions if c.type == "Ready"]
            return one.spec.podCIDR, facts, state[0]

    assert on_node(work) == ("10.244.1.0/24", ["InternalIP=172.30.0.11", "Hostname=node1"], "True")


@pytest.mark.slow
@as_any_user
def test_a_new_agent_takes_up_running_pods_without_disturbing_them(ordinary: bool) -> None:
    async def work(node: NodeBench) -> tuple[Pod, Pod, list[str]]:
        async with node.agent():
            await node.create("w", WEB | {"readinessProbe": {"httpGet": {"port": 8080}, "periodSeconds": 1}})
            before = await node.until("w", ready)
        answers = [(await node.get(before.status.podIP, 8080))[1]]
        async with node.agent():
            await asyncio.sleep(1.5)
            after = await node.client.get(POD, "w", "default")
            answers.append((await node.get(before.status.podIP, 8080))[1])
            await node.create("second", WEB)
            second = await node.until("second", ready)
            await node.client.delete(POD, "w", "default")
            await node.gone("w")
        return before, after, [*answers, second.status.podIP]

    before, after, (first, again, ip) = on_node(work, ordinary=ordinary)
    assert before.status == after.status
    assert first == again
    assert ip != before.status.podIP


@pytest.mark.slow
def test_a_failing_container_backs_off_and_says_so() -> None:
    async def work(node: NodeBench) -> tuple[Pod, list[str]]:
        async with node.agent():
            await node.create("crash", shell("echo no; exit 3"))
            waiting = "CrashLoopBackOff"

            def looping(p: Pod) -> bool:
                states = [s.state.waiting for s in p.status.containerStatuses]
                return any(w is not None and w.reason == waiting for w in states)

            pod = await node.until("crash", looping)
            return pod, await node.recorded("Back-off restarting")

    pod, events = on_node(work)
    status = pod.status.containerStatuses[0]
    assert status.restartCount == 1
    assert status.lastState.terminated is not None
    assert (status.lastState.terminated.exitCode, status.lastState.terminated.reason) == (3, "Error")
    assert status.state.waiting is not None
    assert status.state.waiting.message.startswith("back-off 10s restarting failed container=main pod=crash_default(")
    assert any(e.startswith("Warning BackOff Back-off restarting failed container main in pod crash_") for e in events)


def test_a_pod_that_is_to_end_succeeds_or_fails() -> None:
    async def work(node: NodeBench) -> tuple[Pod, Pod]:
        async with node.agent():
            await node.create("good", shell("echo bye > /dev/termination-log"), restartPolicy="Never")
            await node.create("bad", shell("exit 2"), restartPolicy="Never")
            over = ("Succeeded", "Failed")
            good = await node.until("good", lambda p: p.status.phase in over)
            bad = await node.until("bad", lambda p: p.status.phase in over)
            return good, bad

    good, bad = on_node(work)
    assert (good.status.phase, bad.status.phase) == ("Succeeded", "Failed")
    ended = good.status.containerStatuses[0].state.terminated
    assert ended is not None
    assert (ended.reason, ended.message) == ("Completed", "bye\n")


def test_init_containers_run_in_order_before_the_others() -> None:
    async def work(node: NodeBench) -> tuple[Pod, list[str]]:
        volume = [{"name": "v", "mountPath": "/data"}]
        inits = [
            shell("sleep 0.05; echo one >> /data/f", name="one", volumeMounts=volume),
            shell("echo two >> /data/f", name="two", volumeMounts=volume),
            shell("while :; do sleep 1; done", name="side", restartPolicy="Always"),
        ]
        async with node.agent():
            main = shell("cat /data/f; sleep 60", volumeMounts=volume)
            await node.create("p", main, initContainers=inits, volumes=[{"name": "v", "emptyDir": {}}])
            pod = await node.until("p", ready)
            return pod, await node.first_lines(pod, "main", count=2)

    pod, log = on_node(work)
    assert log == ["one", "two"]
    assert [s.ready for s in pod.status.initContainerStatuses] == [True, True, True]


@as_any_user
def test_environment_and_volumes_come_from_the_api(ordinary: bool) -> None:
    async def work(node: NodeBench) -> list[str]:
        meta = ObjectMeta(name="conf", namespace="default")
        await node.client.create(CONFIG_MAP, ConfigMap(metadata=meta, data={"colour": "red", "size": "9"}))
        env = [
            {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "colour"}}},
            {"name": "ME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "TEXT", "value": "$(COLOUR)-$(ME) $$(X)"},
        ]
        volumes = [
            {"name": "conf", "configMap": {"name": "conf"}},
            {
                "name": "info",
                "downwardAPI": {"items": [{"path": "a/name", "fieldRef": {"fieldPath": "metadata.name"}}]},
            },
        ]
        mounts = [{"name": "conf", "mountPath": "/etc/conf"}, {"name": "info", "mountPath": "/info"}]
        script = "echo $TEXT $IP $HOSTNAME; cat /etc/conf/colour; echo; cat /info/a/name; echo; grep pod1 /etc/hosts"
        async with node.agent():
            main = shell(script, env=env, volumeMounts=mounts)
            await node.create("pod1", main, volumes=volumes, restartPolicy="Never")
            pod = await node.until("pod1", lambda p: p.status.phase == "Succeeded")
            return node.log(pod, "main")

    ip = "10.244.1.2"
    expected = [f"red-pod1 $(X) {ip} pod1", "red", "pod1", f"{ip}\tpod1"]
    assert on_node(work, ordinary=ordinary) == expected


def test_a_volume_that_no_container_mounts_is_not_set_up() -> None:
    async def work(node: NodeBench) -> Pod:
        volumes = [
            {"name": "v", "configMap": {"name": "nope"}},
            {"name": "w", "persistentVolumeClaim": {"claimName": "nope"}},
        ]
        async with node.agent():
            await node.create("p", shell("sleep 60"), volumes=volumes)
            return await node.until("p", ready)

    assert on_node(work).status.phase == "Running"


def test_a_volume_with_the_pods_labels_follows_them_at_once() -> None:
    async def work(node: NodeBench) -> None:
        items = [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]
        main = shell(
            "while :; do cat /info/labels; echo; sleep 0.05; done",
            volumeMounts=[{"name": "info", "mountPath": "/info"}],
        )
        async with node.agent():
            pod = await node.create("p", main, volumes=[{"name": "info", "downwardAPI": {"items": items}}])
            await node.until("p", ready)
            await node.client.patch(POD, "p", "default", patch={"metadata": {"labels": {"colour": "red"}}})
            async with asyncio.timeout(40):  # a volume is refreshed each minute in any case
                while 'colour="red"' not in node.log(pod, "main"):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)

    on_node(work)


def test_fallback_to_logs_on_error_uses_the_end_of_the_log() -> None:
    async def work(node: NodeBench) -> list[str]:
        found = []
        async with node.agent():
            for name, script in (("bad", "echo one; echo two; exit 3"), ("good", "echo fine")):
                main = shell(script, terminationMessagePolicy="FallbackToLogsOnError")
                await node.create(name, main, restartPolicy="Never")
                pod = await node.until(name, lambda p: p.status.phase in ("Failed", "Succeeded"))
                ended = pod.status.containerStatuses[0].state.terminated
                assert ended is not None
                found.append(ended.message)
        return found

    assert on_node(work) == ["one\ntwo\n", ""]


def test_pods_that_cannot_run_make_events() -> None:
    async def work(node: NodeBench) -> tuple[list[str], list[str]]:
        async with node.agent():
            await node.create("no-image", {"name": "c", "image": "example.com/own:1"})
            mounts = [{"name": "v", "mountPath": "/v"}]
            nope = [{"name": "v", "configMap": {"name": "nope"}}]
            await node.create("no-map", WEB | {"volumeMounts": mounts}, volumes=nope)
            await node.create("no-program", {"name": "c", "image": "busybox", "command": ["nope"]})
            pod = await node.until("no-image", lambda p: bool(p.status.containerStatuses))
            await node.until("no-program", lambda p: any(s.restartCount for s in p.status.containerStatuses))
            states = [s.state.waiting.reason for s in pod.status.containerStatuses if s.state.waiting]
            return states, await node.recorded("Failed to pull image", "FailedMount", 'exec: "nope"')

    states, events = on_node(work)
    assert states == ["ErrImagePull"]
    text = "\n".join(events)
    assert 'Failed to pull image "example.com/own:1": no host image serves "example.com/own:1"' in text
    assert 'Warning FailedMount MountVolume.SetUp failed for volume "v" : configmap "nope" not found' in text
    assert 'failed to start container "c": exec: "nope": executable file not found in $PATH' in text


@pytest.mark.slow
@as_any_user
def test_logs_and_exec_over_the_kubelet_api(ordinary: bool) -> None:
    async def work(node: NodeBench) -> tuple[str, list[tuple[int, bytes]], list[tuple[int, bytes]]]:
        async with node.agent():
            await node.create("p", shell("echo one; echo two >&2; sleep 60"))
            await node.first_lines(await node.until("p", ready), "main", count=2)
            base = "http://172.30.0.11:10250"
            async with aiohttp.ClientSession() as session:
                async with session.get(f"{base}/containerLogs/default/p/main") as response:
                    log = await response.text()
                url = f"{base}/exec/default/p/main?command=sh&command=-c&stdin=true&stdout=true&stderr=true&command="
                sized = "until+stty+size%7Cgrep+132;do+:;done;"
                plain = await converse(session, url + "cat;echo+e+>%262;exit+7", b"typed\n", b"\xff\x00")
                tty = await converse(session, url + sized + "read+x;echo+got+$x&tty=true", b"hi\n")
            return log, plain, tty

    log, plain, tty = on_node(work, ordinary=ordinary)
    assert sorted(log.split()) == ["one", "two"]
    assert (1, b"typed\n") in plain
    assert (2, b"e\n") in plain
    status = json.loads(plain[-1][1])
    assert plain[-1][0] == 3
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "7"}]
    said = b"".join(data for channel, data in tty if channel == 1)
    assert b"43 132" in said
    assert b"got hi" in said
    assert json.loads(tty[-1][1])["status"] == "Success"


async def converse(session: aiohttp.ClientSession, url: str, *inputs: bytes) -> list[tuple[int, bytes]]:
    async with session.ws_connect(url, protocols=("v5.channel.k8s.io",)) as ws:
        await ws.send_bytes(b"\x04" + json.dumps({"Width": 132, "Height": 43}).encode())
        for one in inputs:
            await ws.send_bytes(one if one[:1] == b"\xff" else b"\x00" + one)
        return [(message.data[0], message.data[1:]) async for message in ws]


@pytest.mark.slow
@as_any_user
def test_a_deleted_pod_has_its_grace_and_not_more(ordinary: bool) -> None:
    async def work(node: NodeBench) -> tuple[float, float, list[str], list[str]]:
        hook = {"preStop": {"exec": {"command": ["touch", "/hooks/ran"]}}}
        volumes = [{"name": "h", "hostPath": {"path": "/srv/hooks", "type": "DirectoryOrCreate"}}]
        mounts = [{"name": "h", "mountPath": "/hooks"}]
        polite = shell("trap 'exit 0' TERM; while :; do sleep 0.05; done", lifecycle=hook, volumeMounts=mounts)
        async with node.agent():
            await node.create("polite", polite, volumes=volumes)
            await node.create("rude", shell("trap '' TERM; sleep 60"), terminationGracePeriodSeconds=1)
            for name in ("polite", "rude"):
                await node.until(name, ready)
            took = []
            for name in ("polite", "rude"):
                at = time.monotonic()
                await node.client.delete(POD, name, "default")
                await node.gone(name)
                took.append(time.monotonic() - at)
            left = os.listdir(node.settings.state_dir + "/pods")
            return took[0], took[1], [*left, *os.listdir("/srv/hooks")], await node.recorded("Stopping container")

    polite, rude, left, events = on_node(work, ordinary=ordinary)
    # Far below the 30 s that Pods get unless they say otherwise.
    assert polite < 15
    assert 1.0 <= rude < 15
    assert left == ["ran"]
    assert "Normal Killing Stopping container main" in events


@as_any_user
def test_a_container_is_told_to_stop_once_no_node_sends_its_pod_new_connections(ordinary: bool) -> None:
    async def work(node: NodeBench) -> tuple[list[str], list[str]]:
        program = shell("trap 'exit 0' TERM; while :; do sleep 0.05; done")
        async with node.agent():
            uids = []
            for name, more in (("patient", {}), ("hurried", {"terminationGracePeriodSeconds": 1})):
                uids.append((await node.create(name, program, **more)).metadata.uid)
                node.traffic.routed[uids[-1]] = asyncio.Event()
                await node.until(name, ready)
            for name in ("patient", "hurried"):
                await node.client.delete(POD, name, "default")
            await node.gone("hurried")  # never out, so half of its time was the limit
            left = [pod.metadata.name for pod in (await node.client.list(POD)).items]
            node.traffic.routed[uids[0]].set()
            await node.gone("patient")
            return left, [uid for uid in uids if uid not in node.traffic.asked]

    assert on_node(work, ordinary=ordinary) == (["patient"], [])


_SLOW_SERVER = """
import os, select, signal, socket, time
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
listener = socket.create_server(("0.0.0.0", 8080))
print("listening", flush=True)
select.select([listener], [], [])
time.sleep(1)  # as if others had all processors
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
client, _ = listener.accept()
client.sendall(b"answered")
"""


@as_any_user
def test_a_container_is_told_to_stop_once_its_server_has_accepted_all_connections(ordinary: bool) -> None:
    async def work(node: NodeBench) -> bytes:
        async with node.agent():
            server = {"name": "main", "image": "busybox", "command": ["python3", "-c", _SLOW_SERVER]}
            pod = await node.create("slow", server)
            pod = await node.until("slow", ready)
            await node.first_lines(pod, "main")
            reader, writer = await asyncio.open_connection(pod.status.podIP, 8080)
            await node.client.delete(POD, "slow", "default")
            answer = await reader.read(100)
            writer.close()
            await node.gone("slow")
            return answer

    assert on_node(work, ordinary=ordinary) == b"answered"


def test_an_agent_serves_the_applied_revision_of_its_proxies() -> None:
    async def work(node: NodeBench) -> list[tuple[int, str]]:
        node.traffic.revision = 7
        async with node.agent():
            await node.create("w", WEB)
            await node.until("w", ready)
            asked = ("revision=5", "revision=x", "")
            return [await node.get("172.30.0.11", 10250, f"/fairlead/applied?{query}") for query in asked]

    answers = on_node(work)
    assert [code for code, _ in answers] == [200, 400, 400]
    assert json.loads(answers[0][1]) == {"revision": 7}
    assert answers[1][1].startswith("revision: ")


def test_an_agent_ends_at_a_zygote_of_another_version_and_names_the_versions() -> None:
    async def work(node: NodeBench) -> str:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        node.zygote = ours
        newer = json.dumps({"version": VERSION + 1, "message": {}}).encode()
        with ours, theirs:
            asyncio.get_running_loop().add_reader(theirs.fileno(), lambda: theirs.recv(1 << 16) and theirs.send(newer))
            async with node.agent() as agent:
                with pytest.raises(ZygoteVersionError) as caught:
                    await agent
            asyncio.get_running_loop().remove_reader(theirs.fileno())
        return str(caught.value)

    expected = f"this node's zygote speaks version {VERSION + 1}, its agent version {VERSION}: "
    assert on_node(work) == expected + "restart the cluster: fairlead down, fairlead up"


def test_the_end_of_the_zygote_is_the_end_of_the_agent() -> None:
    async def work(node: NodeBench) -> Pod:
        async with node.agent() as agent:
            await node.create("w", WEB)
            await node.until("w", ready)
            os.kill(zygote_pid(), signal.SIGKILL)
            with pytest.raises(ZygoteEnded):
                await agent
        node.renew_zygote()
        async with node.agent():
            return await node.until("w", lambda p: ready(p) and p.status.containerStatuses[0].restartCount == 1)

    pod = on_node(work)
    last = pod.status.containerStatuses[0].lastState.terminated
    assert last is not None
    assert (last.reason, last.exitCode) == ("NodeLost", 137)
    assert pod.status.podIP == "10.244.1.2"


def zygote_pid() -> int:
    """The one child of this process."""
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return int(file.read().split()[0])


def test_a_pod_deleted_by_force_while_it_ends_goes_soon() -> None:
    async def work(node: NodeBench) -> float:
        async with node.agent():
            await node.create("rude", shell("trap '' TERM; sleep 60"))
            pod = await node.until("rude", ready)
            await node.client.delete(POD, "rude", "default")
            await asyncio.sleep(0.3)
            at = time.monotonic()
            await node.client.delete(POD, "rude", "default", grace_period_seconds=0)
            while os.path.exists(f"{node.settings.state_dir}/pods/default_rude_{pod.metadata.uid}"):  # noqa: ASYNC110, ASYNC240
                await asyncio.sleep(0.02)
            return time.monotonic() - at

    assert on_node(work) < 15, "as if its 30 s were waited for"


@pytest.mark.slow
def test_pods_live_on_while_the_api_is_away() -> None:
    async def work(node: NodeBench) -> tuple[tuple[int, str], Pod]:
        async with node.agent():
            await node.create("w", WEB)
            await node.create("flaky", shell("sleep 0.3; test -e /tmp/x || exit 1"))
            pod = await node.until("w", ready)
            await node.until("flaky", ready)
            node.client.interrupt(down=True)
            await asyncio.sleep(0.6)
            answer = await node.get(pod.status.podIP, 8080)
            node.client.interrupt(down=False)
            return answer, await node.until("flaky", lambda p: p.status.containerStatuses[0].restartCount >= 1)

    answer, flaky = on_node(work)
    assert answer[1].startswith("Pod w on node1 at ")
    assert flaky.status.phase == "Running"


def test_an_end_that_the_api_has_not_heard_of_is_known_to_the_next_agent() -> None:
    async def work(node: NodeBench) -> tuple[Pod, list[str]]:
        async with node.agent():
            await node.create("p", shell("sleep 0.4321"), restartPolicy="Never")
            await node.until("p", lambda p: p.status.phase == "Running")
            node.client.interrupt(down=True)
            while is_running("0.4321"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)  # the agent learns of the end, and must keep what it knows
        node.client.interrupt(down=False)
        async with node.agent():
            pod = await node.until("p", has_no_sandbox)
        return pod, await node.sandboxes()

    pod, sandboxes = on_node(work)
    terminated = pod.status.containerStatuses[0].state.terminated
    assert terminated is not None
    assert (pod.status.phase, terminated.reason, terminated.exitCode) == ("Succeeded", "Completed", 0)
    assert sandboxes == []


def has_no_sandbox(pod: Pod) -> bool:
    return any(c.type == "PodReadyToStartContainers" and c.status == "False" for c in pod.status.conditions)


def is_running(word: str) -> bool:
    """Returns True if a process has the word on its command line."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if word in (folder / "cmdline").read_text():
                return True
    return False


@pytest.mark.slow
def test_what_changed_while_the_api_was_away_has_the_time_when_it_changed() -> None:
    async def work(node: NodeBench) -> tuple[str, float]:
        probe = {"exec": {"command": ["test", "-e", "/dev/shm/ready"]}, "periodSeconds": 1}
        async with node.agent():
            main = shell("sleep 1.5; touch /dev/shm/ready; sleep 60", readinessProbe=probe)
            await node.create("p", main, terminationGracePeriodSeconds=1)
            await node.until("p", lambda p: p.status.phase == "Running")
            node.client.interrupt(down=True)
            await asyncio.sleep(7)  # longer than the longest pause between two attempts
            back = node.clock.now()
            node.client.interrupt(down=False)
            pod = await node.until("p", ready)
            since = next(c.lastTransitionTime for c in pod.status.conditions if c.type == "Ready")
            return since or "", back

    since, back = on_node(work)
    assert parse_time(since) < back - 1


def test_pods_deleted_while_no_agent_ran_are_removed() -> None:
    async def work(node: NodeBench) -> tuple[int, list[str], str]:
        async with node.agent():
            for name in ("gone", "going", "stays"):
                await node.create(name, WEB)
                await node.until(name, ready)
        await node.client.delete(POD, "gone", "default", grace_period_seconds=0)
        await node.client.delete(POD, "going", "default")
        async with node.agent():
            await node.gone("going")
            stays = await node.until("stays", ready)
            while len(os.listdir(node.settings.state_dir + "/pods")) > 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            return stays.status.containerStatuses[0].restartCount, await node.sandboxes(), stays.metadata.uid

    restarts, sandboxes, uid = on_node(work)
    assert restarts == 0
    assert sandboxes == [uid]


@as_any_user
def test_a_pod_on_the_nodes_network_has_the_nodes_address(ordinary: bool) -> None:
    async def work(node: NodeBench) -> tuple[str, str]:
        async with node.agent():
            await node.create("h", WEB | {"args": ["8099"]}, hostNetwork=True)
            pod = await node.until("h", ready)
            return pod.status.podIP, (await node.get("127.0.0.1", 8099))[1]

    assert on_node(work, ordinary=ordinary) == ("172.30.0.11", "Pod h on node1 at 172.30.0.11\n")


@as_any_user
def test_host_names_are_those_that_kubelets_give(ordinary: bool) -> None:
    async def work(node: NodeBench) -> dict[str, list[str]]:
        script = shell("hostname; cat /etc/hostname; echo $HOSTNAME; head -1 /etc/hosts; tail -1 /etc/hosts")
        specs = {
            "shared": {"hostNetwork": True, "hostAliases": [{"ip": "1.2.3.4", "hostnames": ["a", "b"]}]},
            "full": {"hostname": "h", "subdomain": "sub", "setHostnameAsFQDN": True},
        }
        async with node.agent():
            for name, spec in specs.items():
                await node.create(name, script, restartPolicy="Never", **spec)
            pods = [await node.until(name, lambda p: p.status.phase == "Succeeded") for name in specs]
            return {pod.metadata.name: node.log(pod, "main") for pod in pods} | {"ip": [pods[1].status.podIP]}

    found = on_node(work, ordinary=ordinary)
    assert found["shared"] == [
        *("node1",) * 3, "# Kubernetes-managed hosts file (host network).", "1.2.3.4\ta\tb"
    ]  # fmt: skip
    full = "h.sub.default.svc.cluster.local"
    assert found["full"] == [*(full,) * 3, "# Kubernetes-managed hosts file.", f"{found['ip'][0]}\t{full}\th"]


def test_a_full_name_that_is_too_long_makes_an_event() -> None:
    async def work(node: NodeBench) -> str:
        async with node.agent():
            await node.create("long", WEB, hostname="h" * 60, subdomain="sub", setHostnameAsFQDN=True)
            return await node.event("FailedCreatePodSandBox")

    assert "failed to construct FQDN from pod hostname and cluster domain" in on_node(work)


@as_any_user
def test_nginx_serves_pages_and_settings_from_config_maps(ordinary: bool) -> None:
    async def work(node: NodeBench) -> tuple[tuple[int, str], list[str]]:
        meta = ObjectMeta(name="site", namespace="default")
        conf = "server { listen 8081; root /usr/share/nginx/html; }"
        await node.client.create(CONFIG_MAP, ConfigMap(metadata=meta, data={"index.html": "mine", "a.conf": conf}))
        pages = {"name": "site", "configMap": {"name": "site", "items": [{"key": "index.html", "path": "index.html"}]}}
        settings = {"name": "conf", "configMap": {"name": "site", "items": [{"key": "a.conf", "path": "a.conf"}]}}
        mounts = [
            {"name": "site", "mountPath": "/usr/share/nginx/html"},
            {"name": "conf", "mountPath": "/etc/nginx/conf.d"},
        ]
        async with node.agent():
            await node.create("n", NGINX | {"volumeMounts": mounts}, volumes=[pages, settings])
            pod = await node.until("n", ready)
            answer = await node.get(pod.status.podIP, 8081)
            async with asyncio.timeout(30):
                while not any("GET /" in line for line in node.log(pod, "nginx")):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            return answer, node.log(pod, "nginx")

    answer, log = on_node(work, ordinary=ordinary)
    assert answer == (200, "mine")
    assert any('"GET / HTTP/1.1" 200 4' in line for line in log)


@as_any_user
def test_users_memory_volumes_and_read_only_roots(ordinary: bool) -> None:
    async def work(node: NodeBench) -> list[str]:
        volumes = [{"name": "m", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}, {"name": "e", "emptyDir": {}}]
        mounts = [{"name": "m", "mountPath": "/mem"}, {"name": "e", "mountPath": "/data/deep", "subPath": "a/b"}]
        script = (
            "id -u; touch /x 2>/dev/null || echo ro; echo 1 > /mem/f && echo mem; echo 2 > /data/deep/f && echo sub; "
            "head -c 2000000 /dev/zero > /mem/large 2>/dev/null || echo full"
        )
        security = {"readOnlyRootFilesystem": True, "runAsUser": 1000}
        async with node.agent():
            main = shell(script, securityContext=security, volumeMounts=mounts)
            await node.create("p", main, volumes=volumes, restartPolicy="Never")
            pod = await node.until("p", lambda p: p.status.phase in ("Succeeded", "Failed"))
            log = node.log(pod, "main")
            await node.client.delete(POD, "p", "default")
            await node.gone("p")
            return log

    assert on_node(work, ordinary=ordinary) == ["1000", "ro", "mem", "sub", "full"]


@pytest.mark.slow
def test_a_flood_of_words_is_bounded_and_starts_go_on() -> None:
    async def work(node: NodeBench) -> tuple[int, float]:
        async with node.agent():
            await node.create("loud", shell("while :; do echo 0123456789012345678901234567890123456789; done"))
            loud = await node.until("loud", ready)
            at = time.monotonic()
            await node.create("quiet", shell("sleep 60"))
            await node.until("quiet", ready)
            took = time.monotonic() - at
            await asyncio.sleep(1)
            folder = PodLogs(node.settings.state_dir, loud.metadata).folder("main")
            return sum(os.stat(f"{folder}/{name}").st_size for name in os.listdir(folder)), took

    size, took = on_node(work)
    assert 0 < size <= 5 * (10 << 20)
    assert took < 30, "as if the flood were served first"


def test_a_status_that_another_has_changed_is_put_right() -> None:
    async def work(node: NodeBench) -> bool:
        async with node.agent():
            await node.create("w", WEB)
            pod = await node.until("w", ready)
            await node.client.patch(POD, "w", "default", patch={"status": {"podIP": None}}, subresource="status")
            again = await node.until("w", lambda p: bool(p.status.podIP))
            return again.status.podIP == pod.status.podIP

    assert on_node(work)


@pytest.mark.slow
def test_a_last_line_without_a_newline_stays_as_it_is_in_logs_and_termination_messages() -> None:
    async def work(node: NodeBench) -> tuple[list[str], str, list[str]]:
        async with node.agent():
            containers = [
                shell("echo one; printf last; exit 1", name="logs", terminationMessagePolicy="FallbackToLogsOnError"),
                shell("printf ' as it is' >/dev/termination-log; exit 1", name="file"),
            ]
            await node.create("p", *containers, restartPolicy="Never")
            pod = await node.until("p", lambda pod: pod.status.phase == "Failed")
            ends = [c.state.terminated for c in pod.status.containerStatuses]
            async with aiohttp.ClientSession() as session:
                base = "http://172.30.0.11:10250/containerLogs/default/p/logs"
                async with session.get(base) as response:
                    log = await response.text()
                async with session.get("http://172.30.0.11:10250/logs/pods/") as response:
                    assert f'<a href="default_p_{pod.metadata.uid}/">' in await response.text()
                where = f"http://172.30.0.11:10250/logs/pods/default_p_{pod.metadata.uid}/logs/0.log"
                async with session.get(where) as response:
                    flags = [line.split(" ")[2] for line in (await response.text()).splitlines()]
            return [end.message if end else "" for end in ends], log, flags

    assert on_node(work) == (["one\nlast", " as it is"], "one\nlast", ["F", "P"])
