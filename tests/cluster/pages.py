"""The commands of pages that need more than a cluster: a registry, other machines, an etcd, load.

A page whose commands a reader can type anywhere has them in blocks ```sh, which `guide` runs. The commands here stand
in indented blocks.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.cluster.support import ROOT, Cluster

_BLOCK = re.compile(r"^(?:    .*\n(?:\n+(?=    ))?)+", re.MULTILINE)


def block(page: str, containing: str) -> str:
    """Returns the indented block of the page that contains the text, without its indentation."""
    found = [m[0] for m in _BLOCK.finditer((ROOT / "docs" / page).read_text()) if containing in m[0]]
    assert len(found) == 1, f"docs/{page}: {len(found)} blocks contain {containing!r}"
    return "".join(f"{line.removeprefix('    ')}\n" for line in found[0].splitlines())


def inline(page: str, beginning: str) -> str:
    """Returns the only command of the page that begins so and stands between backticks in a sentence."""
    (text,) = re.findall(rf"`({re.escape(beginning)}[^`]*)`", (ROOT / "docs" / page).read_text())
    return str(text)


def fenced(page: str, language: str) -> str:
    """Returns the only block of the page in the language."""
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL)
    return str(text)


def typed_for(cluster: Cluster, script: str, folder: Path, changes: Mapping[str, str] | None = None) -> str:
    """Types the commands as the cluster's user, in the folder; returns their output. `changes`: texts of the page, each
    by what stands for it in this test."""
    for text, instead in (changes or {}).items():
        assert text in script, f"{text!r} is not in {script!r}"
        script = script.replace(text, instead)
    runner = cluster.runner
    words = shlex.join([runner.python, "-m", "fairlead.cmd.main"])
    head = f'set -eo pipefail\ncd {shlex.quote(str(folder))}\nfairlead() {{ {words} "$@"; }}\n'
    environment = runner.environment | {
        "FAIRLEAD_NAME": cluster.name,
        "KUBECONFIG": str(cluster.user_kubeconfig),
        "PATH": f"{folder}:{runner.environment['PATH']}",
    }
    done = subprocess.run(
        [*runner.prefix, "bash", "-c", head + script],
        env=environment, capture_output=True, text=True, check=False, timeout=180, cwd="/", stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    return done.stdout
