"""Completion as a shell asks for it: through the script of `fairlead completion`, and by argcomplete's protocol."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fairlead.cmd.cluster.paths import image_store, paths_of
from fairlead.cmd.cluster.state import NodeRecord, Run, start_time
from fairlead.cmd.commandline.completing import COMPLETERS, called_command
from fairlead.cmd.commands import COMMANDS
from fairlead.cmd.main import build_parser
from fairlead.images.store.names import NAME


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder with an image, a cluster that runs as far as its record says, and one that does not."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for name, later in (("alpha", 0), ("beta", 1)):
        paths = paths_of(name)
        paths.logs.mkdir(parents=True)
        paths.log(f"relay-of-{name}").touch()
        nodes = [NodeRecord(f"node{i}") for i in (1, 2)]
        Run(os.getpid(), (start_time(os.getpid()) or 0) + later, nodes=nodes).write(paths)
        (paths.snapshots / ("first" if later else "other")).mkdir(parents=True)
        (paths.snapshots / ".half").mkdir()
    image_store().mkdir()
    names = {"manifests": [{"digest": "sha256:0", "size": 1, "annotations": {NAME: "example:1"}}]}
    (image_store() / "index.json").write_text(json.dumps(names))
    return tmp_path


def offered(line: str, folder: Path) -> set[str]:
    """Returns the words that are offered at the end of the line."""
    answer = folder / "answer"
    protocol = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "COMP_TYPE": "9",
    }
    done = subprocess.run(
        [sys.executable, "-m", "fairlead.cmd.main"],
        env=os.environ | protocol,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("", "")
    return {word.strip() for word in answer.read_text().split("\n")}


def test_all_commands_are_offered(home: Path) -> None:
    assert {command.name for command in COMMANDS} <= offered("fairlead ", home)
    assert offered("fairlead sta", home) == {"status"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("fairlead down --p", {"--purge"}),
        ("fairlead down --name ", {"alpha", "beta"}),
        ("fairlead status --name b", {"beta"}),
        ("fairlead shell ", {"node1", "node2", "-h", "--help", "--name"}),
        ("fairlead logs r", {"relay-of-alpha"}),
        ("fairlead logs --name beta r", {"relay-of-beta"}),
        ("fairlead up --ip-family d", {"dual"}),
        ("fairlead image pu", {"pull"}),
        ("fairlead trace --name alpha h", {"host"}),
        ("fairlead trace --name alpha node/", {"node/node1", "node/node2"}),
        ("fairlead trace --name alpha host node/node2", {"node/node2"}),
        ("fairlead completion z", {"zsh"}),
        ("fairlead snapshot restore --name beta ", {"first", "-h", "--help", "--name"}),
        ("fairlead image remove ex", {"example:1"}),
    ],
)
def test_flags_values_and_live_names_are_offered(line: str, words: set[str], home: Path) -> None:
    assert offered(line, home) == words


@pytest.mark.parametrize("command", ["why", "rules", "watch", "open"])
def test_every_command_about_a_service_completes_services(command: str) -> None:
    commands = next(action for action in build_parser()._actions if action.dest == "command").choices
    assert isinstance(commands, dict)
    named = [action for action in commands[command]._actions if action.metavar == "svc/NAME"]
    assert [action.dest in COMPLETERS for action in named] == [True]


def test_a_cluster_that_does_not_answer_gives_no_words_and_no_message(home: Path) -> None:
    assert "svc/" not in "".join(offered("fairlead open s", home))


@pytest.mark.parametrize(
    ("line", "command"),
    [("", ""), ("fairlead", ""), ("fairlead st", ""), ("fairlead shell ", "shell"), ("fairlead up --name x", "up")],
)
def test_the_command_of_a_line_is_its_first_finished_word(line: str, command: str) -> None:
    assert called_command(line) == command


def test_the_script_completes_in_bash(home: Path) -> None:
    folder = home / "bin"
    folder.mkdir()
    (folder / "fairlead").write_text(f'#!/bin/sh\nexec {sys.executable} -m fairlead.cmd.main "$@"\n')
    (folder / "fairlead").chmod(0o755)
    script = (
        "source <(fairlead completion bash); COMP_LINE='fairlead down --name al'; COMP_POINT=${#COMP_LINE}; "
        "COMP_WORDS=(fairlead down --name al); COMP_CWORD=3; COMP_TYPE=9; COMP_KEY=9; "
        '_python_argcomplete fairlead al --name 2>/dev/null; echo "${COMPREPLY[@]}"'
    )
    environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "alpha"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_a_script_for_fairlead(shell: str) -> None:
    command = [sys.executable, "-m", "fairlead.cmd.main", "completion", shell]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "_ARGCOMPLETE" in done.stdout
    assert "fairlead" in done.stdout
