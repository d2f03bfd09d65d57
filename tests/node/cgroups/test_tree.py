"""Control groups on directories that stand in for the kernel's file system, and the kernel's own if this user may."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.node.cgroups.detect import Place, find_place
from fairlead.node.cgroups.limits import Limits
from fairlead.node.cgroups.tree import ControlGroups, MemoryInUse

FILES = ("pids.max", "memory.max", "memory.oom.group", "memory.current", "memory.events", "cpu.max", "cpu.weight")


def unified(root: Path) -> ControlGroups:
    """Returns groups of v2; the files that the kernel would make are there before."""
    for group in ("", "pod", "pod/run"):
        (root / group).mkdir(exist_ok=True)
        (root / group / "cgroup.subtree_control").touch()
        for name in FILES:
            (root / group / name).touch()
    return ControlGroups(Place(2, (str(root),)))


def test_the_second_version_gets_maxima_weights_and_controllers(tmp_path: Path) -> None:
    groups = unified(tmp_path)
    limits = Limits(1024, 50_000, 1 << 20)
    assert groups.make("pod", "run", limits, pod_limits=Limits()) == (str(tmp_path / "pod/run"),)
    run, pod = tmp_path / "pod/run", tmp_path / "pod"
    assert {name: (run / name).read_text() for name in ("memory.max", "cpu.max", "cpu.weight")} == {
        "memory.max": str(1 << 20),
        "cpu.max": "50000 100000",
        "cpu.weight": "100",
    }
    assert (run / "memory.oom.group").read_text() == "1"
    assert [(pod / name).read_text() for name in ("memory.max", "cpu.max")] == ["max", "max 100000"]
    assert (pod / "cgroup.subtree_control").read_text().startswith("+")


def test_a_pod_gets_a_limit_of_processes_only_if_the_node_has_one(tmp_path: Path) -> None:
    groups = unified(tmp_path)
    for limit, text in ((-1, ""), (50, "50")):
        groups.make("pod", "run", Limits(), pod_limits=None, pod_pids=limit)
        assert (tmp_path / "pod/pids.max").read_text() == text


def test_a_limit_below_what_is_used_is_refused_and_kills_nothing(tmp_path: Path) -> None:
    groups = unified(tmp_path)
    groups.make("pod", "run", Limits(memory_bytes=1 << 20), pod_limits=None)
    (tmp_path / "pod/run/memory.current").write_text(str(1 << 19))
    with pytest.raises(MemoryInUse):
        groups.change("pod", "run", Limits(memory_bytes=1 << 18))
    assert (tmp_path / "pod/run/memory.max").read_text() == str(1 << 20)


def test_kills_by_the_kernel_are_counted(tmp_path: Path) -> None:
    groups = unified(tmp_path)
    assert groups.oom_kills("pod", "run") == 0
    (tmp_path / "pod/run/memory.events").write_text("low 0\noom 2\noom_kill 3\n")
    assert groups.oom_kills("pod", "run") == 3


def proc(root: Path, mounts: str, own: str) -> str:
    (root / "mounts").write_text(mounts)
    (root / "cgroup").write_text(own)
    return str(root)


def test_a_place_counts_only_if_the_kernel_makes_a_group_there(tmp_path: Path) -> None:
    top = tmp_path / "top"
    own = top / "user.slice/scope"
    own.mkdir(parents=True)
    for group in (top, top / "user.slice", own):
        for name in ("cgroup.procs", "cgroup.subtree_control"):
            (group / name).touch()
        (group / "cgroup.controllers").write_text("cpu memory pids" if group != own else "")
    for group in (top, top / "user.slice"):
        (group / "cgroup.subtree_control").write_text("memory cpu")
    (top / "cgroup.procs").unlink()  # nothing may be moved to the top
    where = proc(tmp_path, f"none {top} cgroup2 rw 0 0\n", "0::/user.slice/scope\n")
    # These directories lack cgroup.procs, which the kernel would make at once.
    assert find_place("node", proc=where) is None
    assert not (top / "user.slice/node").exists()


def test_without_any_hierarchy_there_is_no_place(tmp_path: Path) -> None:
    assert find_place("node", proc=proc(tmp_path, "tmpfs /tmp tmpfs rw 0 0\n", "")) is None


@pytest.fixture
def real() -> Iterator[ControlGroups]:
    place = find_place(f"fairlead-test-{os.getpid()}")
    if place is None:
        pytest.skip("this user may not make control groups here")
    groups = ControlGroups(place)
    try:
        yield groups
    finally:
        groups.remove_orphans(())
        assert not any(os.path.exists(root) for root in place.roots)


@pytest.mark.kernel
def test_a_process_in_a_group_of_the_kernel_is_killed_for_its_memory(real: ControlGroups) -> None:
    directories = real.make("pod", "run", Limits(memory_bytes=16 << 20), pod_limits=None)
    enter = "".join(f"echo $$ > {directory}/cgroup.procs\n" for directory in directories)
    done = subprocess.run(["sh", "-c", f"{enter}exec tail /dev/zero"], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (-9, b"")
    assert real.oom_kills("pod", "run") == 1
    real.remove("pod", "run")
    assert not any(os.path.exists(directory) for directory in directories)


@pytest.mark.kernel
def test_the_processes_of_a_pod_share_one_limit_of_the_kernel(real: ControlGroups) -> None:
    for run in ("one", "two"):
        directories = real.make("pod", run, Limits(), pod_limits=None, pod_pids=2)
        enter = "".join(f"echo $$ > {directory}/cgroup.procs\n" for directory in directories)
        script = f"{enter}sleep 0 && echo forked\n(sleep 0; sleep 0) || echo refused"
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False, timeout=60)
        assert (done.stdout.split()[:1], "fork" in done.stderr.lower()) == (["forked"], True)
        real.remove("pod", run)
