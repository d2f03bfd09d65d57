"""The logs of Pods in the node's own /var/log, as the node keeps them and as collectors of logs see them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.meta.types import ObjectMeta
from fairlead.node.runtime.files.hostpath import open_host_path
from fairlead.node.runtime.files.safepath import PathProblem
from fairlead.node.volumes import podlogs
from fairlead.node.volumes.podlogs import PodLogs
from tests.net.sandbox import as_any_user
from tests.node.nodebench import NodeBench, on_node, ready, shell

META = ObjectMeta(name="p", namespace="ns", uid="u")
HERE = "/var/log/pods/ns_p_u"
_RUN = "r" * 64


def _links(state: Path) -> dict[str, str]:
    folder = state / "machine" / "var" / "log" / "containers"
    return {link.name: os.readlink(link) for link in folder.iterdir()}


def test_each_log_has_a_link_by_the_containers_id_and_of_older_runs_the_last_one_is_kept(tmp_path: Path) -> None:
    podlogs.prepare(str(tmp_path))
    logs = PodLogs(str(tmp_path), META)
    for attempt in range(4):
        Path(logs.new("c", attempt, f"{attempt}a")).write_text("said")
        Path(logs.path("c", attempt) + ".1").write_text("said before")
    assert sorted(os.listdir(logs.folder("c"))) == ["2.log", "2.log.1", "3.log", "3.log.1"]
    Path(logs.new("c-d", 0, "0b")).write_text("said")
    expected = {f"p_ns_c-{n}a.log": f"{HERE}/c/{n}.log" for n in (2, 3)} | {"p_ns_c-d-0b.log": f"{HERE}/c-d/0.log"}
    assert _links(tmp_path) == expected
    logs.new("c-d", 0, "1b")  # the first start had failed
    assert [name for name in _links(tmp_path) if "-d-" in name] == ["p_ns_c-d-1b.log"]
    long = PodLogs(str(tmp_path), ObjectMeta(name="n" * 200, namespace="s", uid="u"))
    long.new("c", 0, _RUN)
    assert max(map(len, _links(tmp_path))) == 255
    logs.remove()
    long.remove()
    assert (_links(tmp_path), os.listdir(podlogs.pod_logs(str(tmp_path)))) == ({}, [])


def test_logs_of_an_older_release_are_moved_and_those_of_unknown_pods_removed(tmp_path: Path) -> None:
    for name in ("ns_p_u", "ns_q_v"):
        (tmp_path / "pods" / name / "logs" / "c").mkdir(parents=True)
        (tmp_path / "pods" / name / "logs" / "c" / "0.log").write_text(name)
    podlogs.prepare(str(tmp_path))
    podlogs.prepare(str(tmp_path))  # by the next agent
    kept, other = PodLogs(str(tmp_path), META), PodLogs(str(tmp_path), ObjectMeta(name="q", namespace="ns", uid="v"))
    assert [Path(logs.path("c", 0)).read_text() for logs in (kept, other)] == ["ns_p_u", "ns_q_v"]
    kept.new("c", 1, "1a")
    other.new("c", 1, "1b")
    podlogs.remove_stale(str(tmp_path), {"ns_p_u"})
    assert os.listdir(podlogs.pod_logs(str(tmp_path))) == ["ns_p_u"]
    assert list(_links(tmp_path)) == ["p_ns_c-1a.log"]


def test_var_log_is_the_nodes_and_what_only_the_machine_has_in_it_the_machines(tmp_path: Path) -> None:
    podlogs.prepare(str(tmp_path))
    root, of_machine = str(tmp_path / "machine"), sorted(os.listdir("/var/log"))[0]

    def opened(path: str, kind: str = "") -> str:
        fd = open_host_path(path, kind, [str(tmp_path)], root)
        try:
            return os.readlink(f"/proc/self/fd/{fd}")
        finally:
            os.close(fd)

    assert opened("/var//log/") == f"{root}/var/log"
    assert opened("/var/log/made", "DirectoryOrCreate") == f"{root}/var/log/made"
    assert opened(f"/var/log/{of_machine}") == os.path.realpath(f"/var/log/{of_machine}")
    os.symlink("/etc", f"{root}/var/log/link")
    for path in ("/var/log/link/passwd", "/var/log/link/../../../etc/passwd", "/var/log/pods/none"):
        with pytest.raises(PathProblem, match="is not a file"):
            opened(path, "File")


def _ended(pod: Pod) -> bool:
    return pod.status.phase == "Succeeded"


READ = """
cat /var/log/containers/*.log | grep -c "stdout F said by talker$"
cat /var/log/pods/*/main/0.log | grep -c "stdout F said by talker$"
cat /host/var/log/pods/*/main/0.log | grep -c "stdout F said by talker$"
cat /only/default_talker_*/main/0.log | grep -c "stdout F said by talker$"
basename -a /var/log/containers/talker_default_main-*.log | grep -cE '^talker_default_main-[0-9a-f]{64}\\.log$'
echo 7 > /var/log/position && cat /var/log/position
for path in /var/log/pods /var/log/containers /host/var/log/pods /only; do
  touch $path/x 2>/dev/null || rm -r $path/* 2>/dev/null || echo closed
done
mv /var/log/pods /var/log/away 2>/dev/null || echo stays
ln -s /etc /var/log/link && ls /var/log/link/hostname /again/link 2>/dev/null || echo inside
"""


@pytest.mark.kernel
@as_any_user
def test_a_collector_reads_the_logs_from_var_log_keeps_its_position_there_and_changes_no_log(ordinary: bool) -> None:
    paths = {"log": "/var/log", "host": "/", "only": "/var/log/pods", "again": "/var/log/link"}
    volumes = [{"name": name, "hostPath": {"path": path}} for name, path in paths.items()]
    at = {"log": "/var/log", "host": "/host", "only": "/only", "again": "/again"}
    mounts = [{"name": name, "mountPath": path} for name, path in at.items()]

    async def work(node: NodeBench) -> tuple[list[str], list[str]]:
        async with node.agent():
            container = shell("echo said by talker; sleep infinity")
            await node.create("talker", container, terminationGracePeriodSeconds=0)
            await node.first_lines(await node.until("talker", ready), "main")
            reader = shell(READ, volumeMounts=mounts)
            await node.create("reader", reader, volumes=volumes, restartPolicy="Never")
            pod = await node.until("reader", _ended)
            lines = node.log(pod, "main")
            for name in ("talker", "reader"):
                await node.client.delete(POD, name, "default")
                await node.gone(name)
            left = Path(node.settings.state_dir, "machine", "var", "log")
            async with asyncio.timeout(30):
                while os.listdir(left / "containers") + os.listdir(left / "pods"):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            return lines, sorted(os.listdir(left))

    lines, left = on_node(work, ordinary=ordinary)
    assert lines == [*["1"] * 5, "7", *["closed"] * 4, "stays", "inside"]
    assert left == ["containers", "link", "pods", "position"]
