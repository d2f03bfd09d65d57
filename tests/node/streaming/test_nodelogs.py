"""The node's log files below `/logs/`."""

from __future__ import annotations

from pathlib import Path

from fairlead.node.streaming.nodelogs import Folder, LogPath, NodeLogs, render_folder
from fairlead.node.volumes.podlogs import pod_logs


def test_logs_are_found_and_nothing_beside_them(tmp_path: Path) -> None:
    secret = tmp_path / "pods" / "ns_p_uid" / "volumes" / "secret" / "0.log"
    pod = Path(pod_logs(str(tmp_path)), "ns_p_uid")
    for file in (pod / "main" / "0.log", pod / "main" / "0.log.1", pod / "main" / "notes", secret):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
    (pod.parent / "ns_new_uid").mkdir()
    (pod / "link").symlink_to(pod / "main")
    (pod / "main" / "1.log").symlink_to(secret)
    (pod / "volumes").symlink_to(secret.parents[1])
    own = tmp_path / "agent.log"
    own.write_text("x")
    logs = NodeLogs(str(tmp_path), str(own))
    assert logs.find([]) == Folder(("kubelet.log", "pods/"))
    assert logs.find(["kubelet.log"]) == LogPath(str(own))
    assert logs.find(["pods"]) == Folder(("ns_p_uid/",))
    assert logs.find(["pods", "ns_p_uid"]) == Folder(("main/",))
    assert logs.find(["pods", "ns_p_uid", "main"]) == Folder(("0.log", "0.log.1"))
    assert logs.find(["pods", "ns_p_uid", "main", "0.log"]) == LogPath(str(pod / "main" / "0.log"))
    for path in (
        "pods/ns_p_uid/main/notes",
        "pods/ns_p_uid/main/1.log",
        "pods/ns_p_uid/link/0.log",
        "pods/ns_p_uid/logs/main/0.log",
        "pods/ns_p_uid/volumes",
        "pods/ns_p_uid/volumes/secret/0.log",
        "pods/../agent.log",
        "pods/ns_p_uid/../ns_p_uid/main/0.log",
        "pods//main",
        "pods/./main/0.log",
        "agent.log",
        "..",
    ):
        assert logs.find(path.split("/")) is None, path
    assert NodeLogs(str(tmp_path), "").find([]) == Folder(("pods/",))
    assert NodeLogs(str(tmp_path), "").find(["kubelet.log"]) is None


def test_a_folder_is_a_page_of_links() -> None:
    head = '<!doctype html>\n<meta name="viewport" content="width=device-width">\n'
    assert render_folder(Folder(("a&b", "pods/"))) == (
        f'{head}<pre>\n<a href="a%26b">a&amp;b</a>\n<a href="pods/">pods/</a>\n</pre>\n'
    )
