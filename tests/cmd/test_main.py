"""The command line: what is wrong use, and that it is always one line and exit code 2."""

from __future__ import annotations

import argparse
import os
import pkgutil
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import fairlead.cmd.commands
from fairlead import __version__
from fairlead.cmd.commands import COMMANDS, ELSEWHERE
from fairlead.cmd.main import build_parser, main, parse
from fairlead.cmd.program import program


@pytest.fixture(autouse=True)
def state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def outcome(argv: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    try:
        code = main(argv)
    except SystemExit as e:
        code = int(e.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    "argv",
    [
        ["fly"],
        ["down", "--all", "--name", "x"],
        ["shell", "--bogus", "ls"],
        ["up", "--bogus"],
        ["up", "extra"],
        ["up", "--nodes", "many"],
        ["up", "--nodes", "0"],
        ["up", "--api-port", "0"],
        ["up", "--api-port", "70000"],
        ["up", "--api-port", "30100"],
        ["up", "--pod-cidr", "10.96.0.0/16"],
        ["up", "--service-cidr", "10.0.0.1/8"],
        ["up", "--node-port-range", "5-1"],
        ["up", "--pod-cidr", ""],
        ["up", "--expose-host", ""],
        ["up", "--upstream", "nowhere"],
        ["up", "--lb-pool", "x"],
        ["up", "--name", "../x"],
        ["down", "--", "ls"],
        ["status", "-o", "yaml"],
        ["up", "--nodes", "-1"],
        ["snapshot", "save", "A b"],
        ["snapshot", "delete", "a?x"],
        ["open", "svc/"],
        ["open", "svc/a b"],
        ["rules", "svc/a?x"],
        ["watch", "svc/../x"],
        ["why", "svc/a b"],
        ["why", "pod/A"],
        ["why", "dns", "../x"],
        ["why", "svc/web", "-n", "../x"],
        ["why", "svc/web", "--http", "--passive"],
        ["why", "svc/web", "--from", "host", "--passive"],
        ["why", "svc/web", "--http", "--from", "host"],
        ["why", "pod/web", "--http"],
        ["why", "deploy/web", "--from", "host"],
        ["why", "ingress/web", "--port", "80"],
        ["why", "dns", "web", "--passive"],
        ["open", "svc/web", "-n", ""],
        pytest.param(["announce", "--interface", "nope"], marks=pytest.mark.root),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    argv: list[str], capsys: pytest.CaptureFixture[str], state_home: Path
) -> None:
    code, out, err = outcome(argv, capsys)
    assert (code, out) == (2, "")
    assert err.startswith("fairlead")
    assert err.count("\n") == 1
    assert list(state_home.iterdir()) == []


def test_wrong_flags_point_to_the_help_of_their_command(capsys: pytest.CaptureFixture[str]) -> None:
    expected = f"fairlead: unrecognized arguments: --bogus (see `{program()} up --help`)\n"
    assert outcome(["up", "--bogus"], capsys)[2] == expected
    expected = "fairlead: --nodes -1: a cluster has at least one node\n"
    assert outcome(["up", "--nodes", "-1"], capsys)[2] == expected


@pytest.mark.parametrize("command", ["status", "env", "kubeconfig", "shell"])
def test_the_error_for_a_missing_cluster_is_one_line_with_the_start_command(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = outcome([command, "--name", "x"], capsys)
    assert (code, out) == (1, "")
    assert err == f'fairlead: there is no cluster "x"; start it: {program()} up --detach --name x\n'


@pytest.mark.parametrize("command", ["status", "services", "list"])
def test_a_cluster_with_damaged_settings_is_not_recommended_to_be_started(
    command: str, capsys: pytest.CaptureFixture[str], state_home: Path
) -> None:
    folder = state_home / "fairlead" / "x"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{")
    code, out, err = outcome([command] + ["--name", "x"] * (command != "list"), capsys)
    assert code == (0 if command == "list" else 1)
    assert ("damaged" in out) == (command == "list")
    assert err.startswith(f"fairlead: cannot read {folder}/config.json: ")
    assert err.endswith(f"; delete the cluster: {program()} down --purge --name x\n")


def in_shell(line: str) -> subprocess.CompletedProcess[str]:
    fairlead = f"{sys.executable} -m fairlead.cmd.main"
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line.replace("fairlead", fairlead)],
        capture_output=True,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    )


@pytest.mark.parametrize(
    ("line", "code", "err"),
    [
        ("fairlead version >&-", 0, ""),
        ("fairlead version 2>&- >&- <&-", 0, ""),
        ("fairlead list <&-", 0, ""),
        ("fairlead bogus 2>&-", 2, ""),
        ("fairlead version >/dev/full", 1, "fairlead: No space left on device\n"),
        ("fairlead --help >/dev/full", 1, "fairlead: No space left on device\n"),
        ("fairlead up --help >/dev/full", 1, "fairlead: No space left on device\n"),
    ],
)
def test_output_that_goes_nowhere_is_no_internal_error(line: str, code: int, err: str) -> None:
    done = in_shell(line)
    assert (done.returncode, done.stderr) == (code, err)


@pytest.mark.parametrize("words", [["man"], ["version"], ["--help"], ["up", "--help"]])
def test_a_reader_that_is_gone_ends_a_command_as_a_signal_would(words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "fairlead.cmd.main", *words]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    try:
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False, env=buffered)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


def test_characters_that_the_terminal_lacks_are_replaced(state_home: Path) -> None:
    (state_home / "a.yaml").write_text("kind: Servise\napiVersion: v1\nmetadata: {name: \u2713}\n")
    command = [sys.executable, "-m", "fairlead.cmd.main", "lint", f"{state_home}/a.yaml"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "LC_ALL": "ko_KR.UTF-8"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert "Servise" in done.stdout
    assert "?" in done.stdout
    assert done.stderr == ""


def test_without_a_command_the_help_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = outcome([], capsys)
    assert (code, err) == (0, "")
    assert out == outcome(["--help"], capsys)[1]


@pytest.mark.parametrize(
    ("typed", "meant"), [("lst", "list"), ("statsu", "status"), ("stop", "down"), ("create", "up"), ("xyzzy", "")]
)
def test_a_mistyped_command_is_answered_with_the_one_that_was_meant(
    typed: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = outcome([typed, "--flag", "x"], capsys)
    hint = f": did you mean `{meant}`?" if meant else ""
    assert (code, err) == (2, f"fairlead: unknown command `{typed}`{hint} (see `{program()} --help`)\n")


def test_every_word_of_other_tools_leads_to_a_command() -> None:
    names = {command.name for command in COMMANDS}
    assert set(ELSEWHERE.values()) <= names
    assert not names & set(ELSEWHERE)


def test_down_of_all_says_that_there_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(["down", "--all"], capsys) == (0, "no cluster runs\n", "")
    assert outcome(["delete", "--all"], capsys) == (0, "no clusters\n", "")


def test_a_list_without_clusters_has_the_start_command(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = outcome(["list"], capsys)
    assert (code, err) == (0, "")
    assert out.startswith("no clusters; start one: ")
    assert outcome(["list", "-o", "json"], capsys) == (0, "[]\n", "")


def test_down_of_nothing_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(["down"], capsys) == (0, 'there is no cluster "default"\n', "")
    assert outcome(["down", "--purge"], capsys)[0] == 0


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(["version"], capsys) == (0, f"fairlead {__version__}\n", "")
    assert outcome(["--version"], capsys) == (0, f"fairlead {__version__}\n", "")


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = outcome(["--help"], capsys)
    assert code == 0
    assert all(f"\n    {command.name}" in out for command in COMMANDS)


def test_every_module_of_commands_is_declared_and_the_other_way_round() -> None:
    prefix = "fairlead.cmd.commands."
    found = pkgutil.walk_packages(fairlead.cmd.commands.__path__, prefix)
    modules = {module.name.removeprefix(prefix) for module in found if not module.ispkg}
    assert modules == {command.module for command in COMMANDS}


def test_the_first_steps_of_the_help_are_those_that_work_in_the_shell(capsys: pytest.CaptureFixture[str]) -> None:
    steps = outcome(["--help"], capsys)[1].partition("first steps:\n")[2].splitlines()
    assert len(steps) == 5
    assert all(step.startswith((f"  {program()} ", "  kubectl ")) for step in steps)
    assert len({step.rindex("  ") for step in steps}) == 1, "the explanations are below each other"


@pytest.mark.parametrize("command", ["--help", "version"])
def test_what_needs_no_cluster_imports_no_other_command(command: str) -> None:
    code = f"import sys, fairlead.cmd.main as m\ntry: m.main([{command!r}])\nexcept SystemExit: pass\n"
    show = "print(*(name for name in sys.modules if name.startswith('fairlead.')), file=sys.stderr)"
    found = subprocess.run([sys.executable, "-c", code + show], capture_output=True, text=True, check=True)
    allowed = {"fairlead.cmd", "fairlead.cmd.main", "fairlead.cmd.errors", "fairlead.cmd.commands"}
    own = {"fairlead.cmd.program", "fairlead.cmd.commands.program", f"fairlead.cmd.commands.program.{command}"}
    assert set(found.stderr.split()) - allowed <= own


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_every_flag_has_a_phrase_of_its_own(command: str) -> None:
    parser = build_parser(command)
    (subparsers,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    for action in subparsers.choices[command]._actions:
        assert action.help, f"{command} {action.dest}"


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = outcome([command, "--help"], capsys)
    assert (code, "usage: " in out) == (0, True)


REQUIRED = {"trace": ("pod/a", "svc/b")}
"""The words that a command cannot do without."""


@pytest.mark.parametrize("command", [command.name for command in COMMANDS if command.cluster is not None])
def test_every_command_that_is_about_a_cluster_takes_its_name(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = outcome([command, "--help"], capsys)
    assert code == 0
    assert "--name" in out
    assert parse([command, "--name", "x", *REQUIRED.get(command, ())]).name == "x"


@pytest.mark.parametrize("command", [command.name for command in COMMANDS if command.cluster is None])
def test_a_command_that_is_about_no_cluster_refuses_a_name(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = outcome([command, "--name", "x"], capsys)
    assert (code, out) == (2, "")
    assert "unrecognized arguments: --name" in err or re.search("argument [A-Z]+: invalid choice: 'x'", err)


def test_what_follows_two_dashes_is_the_shell_s_command_untouched() -> None:
    args = parse(["shell", "node2", "--name", "x", "--", "ls", "--name", "y", "--"])
    assert (args.node, args.name, args.argv) == ("node2", "x", ["ls", "--name", "y", "--"])
    assert parse(["shell", "--", "true"]).node is None


@pytest.mark.parametrize(
    ("argv", "node", "words"),
    [
        (["ip", "-4", "route"], None, ["ip", "-4", "route"]),
        (["node2", "ls", "--", "-l"], "node2", ["ls", "--", "-l"]),
        (["--name", "x", "node2", "curl", "--name"], "node2", ["curl", "--name"]),
        (["shell"], None, ["shell"]),
        (["node1", "node2"], "node1", ["node2"]),
    ],
)
def test_a_command_in_a_shell_needs_no_dashes(argv: list[str], node: str | None, words: list[str]) -> None:
    args = parse(["shell", *argv])
    assert (args.node, args.argv) == (node, words)


def test_flags_of_kubectl_are_not_fairlead_s() -> None:
    args = parse(["kubectl", "-n", "a", "get", "--help", "--name", "y"])
    assert (args.name, args.argv) == (None, ["-n", "a", "get", "--help", "--name", "y"])
    args = parse(["kubectl", "--name", "x", "--namespace=b", "get"])
    assert (args.name, args.argv) == ("x", ["--namespace=b", "get"])


def test_abbreviated_flags_are_no_promise() -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["up", "--det"])


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("FAIRLEAD_REGISTRIES", "a/b", 'invalid $FAIRLEAD_REGISTRIES "a/b": expected host, none, or HOST[:PORT],...'),
        ("FAIRLEAD_UPSTREAM", "x.y", "$FAIRLEAD_UPSTREAM: invalid upstream: 'x.y': "),
        ("FAIRLEAD_NAME", "A_b", '$FAIRLEAD_NAME: invalid cluster name "A_b": '),
    ],
)
def test_an_invalid_value_of_an_environment_variable_is_not_blamed_on_a_flag(
    variable: str, value: str, expected: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    code, _, err = outcome(["up"], capsys)
    assert code == 2
    assert err.startswith(f"fairlead: {expected}")
    assert "--" not in err.partition("; ")[0]


@pytest.mark.parametrize(
    ("flag", "value", "expected"),
    [
        ("--registries", "a/b", 'invalid --registries "a/b": '),
        ("--registries", "a b", 'invalid --registries "a b": '),
        ("--upstream", "x.y", "--upstream: invalid upstream: 'x.y': "),
        ("--name", "A_b", 'invalid cluster name "A_b": '),
    ],
)
def test_an_invalid_value_of_a_flag_names_the_flag_though_the_variable_is_set(
    flag: str, value: str, expected: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, good in (("FAIRLEAD_REGISTRIES", "none"), ("FAIRLEAD_UPSTREAM", "none"), ("FAIRLEAD_NAME", "x")):
        monkeypatch.setenv(variable, good)
    assert outcome(["up", flag, value], capsys)[2].startswith(f"fairlead: {expected}")
