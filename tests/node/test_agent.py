"""Pods on a node, with real namespaces and an API server in memory."""

from __future__ import annotations

import asyncio
import json
import os
import time

import pytest

from fairlead.api.core.configmap.kind import CONFIG_MAP, ConfigMap
from fairlead.api.core.node.kind import NODE
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.meta.types import ObjectMeta
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


def test_a_status_that_another_has_changed_is_put_right() -> None:
    async def work(node: NodeBench) -> bool:
        async with node.agent():
            await node.create("w", WEB)
            pod = await node.until("w", ready)
            await node.client.patch(POD, "w", "default", patch={"status": {"podIP": None}}, subresource="status")
            again = await node.until("w", lambda p: bool(p.status.podIP))
            return again.status.podIP == pod.status.podIP

    assert on_node(work)
