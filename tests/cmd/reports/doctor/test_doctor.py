"""`fairlead doctor`: findings about the host, and each with its cure."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

from fairlead.cmd.reports.doctor import checks
from fairlead.cmd.reports.doctor.checks import run_checks
from fairlead.cmd.reports.doctor.model import (
    Finding,
    conclusion,
    exit_code,
    of_explanation,
    ok,
    problem,
    render,
    warning,
)
from fairlead.cmd.reports.doctor.probe import attempt
from tests.cluster.support import RUNNERS, host_footprint, new_cluster

GOOD = {"namespaces": "", "nf_tables": "", "proc": "", "ipv6": "", "overlay": ""}


def found(results: dict[str, str]) -> dict[str, Finding]:
    return {finding.check: finding for finding in run_checks(results)}


def test_a_host_with_everything_has_no_problem() -> None:
    assert exit_code(run_checks(GOOD)) == 0


def test_every_warning_and_every_problem_has_a_cure() -> None:
    bad = {name: "it failed" for name in GOOD if name != "namespaces"} | {"namespaces": ""}
    for finding in (*run_checks(bad), *run_checks({"namespaces": "user namespaces are off; switch them on: sysctl"})):
        assert bool(finding.cure) == (finding.level != "ok"), finding


@pytest.mark.parametrize("name", ["namespaces", "nf_tables"])
def test_a_cluster_cannot_run_without_namespaces_and_nf_tables(name: str) -> None:
    findings = run_checks(GOOD | {name: "it is missing; install it: sudo apt-get install it"})
    assert exit_code(findings) == 1
    [finding] = [finding for finding in findings if finding.level == "problem"]
    assert (finding.check, finding.text) == (name, "it is missing")
    assert finding.cure == "install it: sudo apt-get install it"


@pytest.mark.parametrize(("name", "check"), [("overlay", "overlay"), ("ipv6", "IPv6"), ("proc", "/proc")])
def test_what_a_cluster_can_do_without_is_a_warning(name: str, check: str) -> None:
    assert found(GOOD | {name: "the kernel refuses it"})[check].level == "warning"


def test_apparmor_is_a_problem_only_if_it_keeps_this_user_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_sysctl", lambda name: "1" if "apparmor" in name else "0")
    assert found(GOOD)["AppArmor"].level == "ok"
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    kept_out = found({"namespaces": "AppArmor keeps ordinary users out of user namespaces; allow them: sysctl"})
    assert kept_out["AppArmor"].level == "problem"
    assert "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0" in kept_out["AppArmor"].cure


def test_a_taken_port_of_the_api_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(checks, "DEFAULT_API_PORT", taken.getsockname()[1])
        assert found(GOOD)["ports"].level == "warning"


def test_a_state_folder_that_cannot_be_written_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert found(GOOD)["state"].level == "problem"


@pytest.mark.parametrize(
    ("uid_map", "count"),
    [("         0          0 4294967295\n", 4294967295), ("0 100000 65536\n", 65536), ("1000 1000 1\n", 0)],
)
def test_the_ids_of_a_user_namespace_are_counted_from_the_first(uid_map: str, count: int) -> None:
    assert checks._mapped_ids(uid_map) == count


def test_findings_are_shown_with_their_cures() -> None:
    findings = [
        ok("kernel", "Linux 6"),
        warning("ports", "taken", "free it"),
        problem("nf_tables", "missing", "load it"),
    ]
    assert render(findings) == (
        "ok    kernel     Linux 6\n"
        "warn  ports      taken\n"
        "                 -> free it\n"
        "FAIL  nf_tables  missing\n"
        "                 -> load it"
    )
    assert conclusion(findings) == "a cluster cannot run here yet: 1 problem"
    assert conclusion(findings[:2]) == "a cluster can run here, with 1 limitation"
    assert conclusion(findings[:1]) == "a cluster can run here"


def test_an_explanation_without_a_cure_is_its_own_cure() -> None:
    assert of_explanation("x", "boot another kernel") == problem("x", "boot another kernel", "boot another kernel")


@pytest.mark.kernel
def test_the_attempts_succeed_here_and_leave_nothing_behind() -> None:
    before = host_footprint()
    assert attempt()["namespaces"] == ""
    assert attempt()["nf_tables"] == ""
    assert host_footprint() == before


@pytest.mark.kernel
@pytest.mark.slow
@pytest.mark.parametrize("who", ["root", "user"])
def test_the_command_reports_as_json_and_by_its_exit_code(who: str) -> None:
    with new_cluster(who) as cluster:
        done = cluster.runner.run(cluster.runner.command("doctor", "-o", "json"))
    assert done.returncode == 0, done.stdout + done.stderr
    findings = json.loads(done.stdout)
    assert {"kernel", "namespaces", "nf_tables", "overlay", "ports", "kubectl"} <= {f["check"] for f in findings}


@pytest.mark.kernel
@pytest.mark.slow
def test_namespaces_that_are_switched_off_are_found_with_the_sysctl_that_helps(tmp_path: Path) -> None:
    # A limit of 0 in the test's user namespace, as in a container that forbids more of them.
    runner = RUNNERS["root"](tmp_path)
    inner = " ".join(runner.command("doctor", "-o", "json"))
    script = f"echo 0 > /proc/sys/user/max_user_namespaces; exec {inner}"
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", script],
        env=runner.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    [finding] = [f for f in json.loads(done.stdout) if f["level"] == "problem"]
    assert finding["cure"] == "switch them on: sudo sysctl -w user.max_user_namespaces=15000"
