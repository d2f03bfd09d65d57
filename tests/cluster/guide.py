"""Runs every command of a page of docs/ in order, as a reader would, in a cluster of the test.

The commands stand in blocks ```sh. A block ```text that follows one is what its commands print: `...` stands for any
words, and alone in a line for any lines. Ages, generated names and addresses that the page cannot know may differ.
"""

from __future__ import annotations

import re
import shutil
from typing import NamedTuple

from tests.cluster.support import ROOT, new_cluster, published_port
from tests.kubectl.conftest import find_kubectl

WRAPPER = "#!{python}\nimport sys\nfrom fairlead.cmd.main import main\nsys.exit(main())\n"
_BLOCK = re.compile(r"^```sh\n(.*?)^```\n(?:\n+```text\n(.*?)^```)?", re.MULTILINE | re.DOTALL)
_SEPARATOR = "\x1e"
_LETTERS = "[bcdfghjklmnpqrstvwxz2-9]"
"""The characters of generated names: digits and letters that form no words."""
_CHOSEN = r"10\.(?:100\.100\.[12]00|96\.10\.100|96\.0\.10?)"
"""The addresses that manifests choose, and those of the API and of DNS."""
_VARYING = (
    (re.compile(rf"(?<=[-=]){_LETTERS}{{8,10}}\b"), "<hash>"),
    (re.compile(rf"-{_LETTERS}{{5}}\b"), "-<id>"),
    (re.compile(r"\b(?:\d+(?:\.\d+)?(?:ms|[smh]))+\b"), "<age>"),
    (re.compile(rf"\b(?!{_CHOSEN}\b)(?:10|172)(?:\.\d+){{3}}\b"), "<address>"),
)


class Block(NamedTuple):
    commands: str
    expected: str | None


def blocks(page: str) -> list[Block]:
    """Returns the commands of a page, and what each block of them prints."""
    text = (ROOT / "docs" / page).read_text()
    return [Block(match[1], match[2]) for match in _BLOCK.finditer(text)]


def agrees(expected: str, printed: str) -> bool:
    """Returns True if the output is the expected one, apart from what varies; the width of columns varies too."""
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "..." else _line_pattern(line) for line in _settled(expected).splitlines()
    )
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in _settled(printed).splitlines())) is not None


def _line_pattern(line: str) -> str:
    return ".*".join(re.escape(part) for part in line.split("...")) + r"\n"


def _settled(text: str) -> str:
    """Returns the text with one name for everything of a kind that varies, and single spaces."""
    for pattern, name in _VARYING:
        text = pattern.sub(name, text)
    return "\n".join(" ".join(line.split()) for line in text.strip().splitlines())


def _script(snippets: list[Block]) -> str:
    """Returns the commands; those with an expected output are judged by it and may fail, as `fairlead why` does."""
    lines = []
    for commands, expected in snippets:
        lines += [commands] if expected is None else ["set +e", commands, "set -e"]
        lines.append(r"printf '\036'")
    return "\n".join(lines)


def typed(page: str, who: str) -> str:
    """Returns the output of the commands; fails if one of them fails. `examples/` is in their working directory."""
    find_kubectl()
    port = str(published_port())
    found = blocks(page)
    snippets = [
        Block(commands.replace("30200", port), text and text.replace("30200", port)) for commands, text in found
    ]
    assert snippets, f"docs/{page} has no command"
    with new_cluster(who) as cluster:
        folder = cluster.home / "bin"
        folder.mkdir()
        (folder / "fairlead").write_text(WRAPPER.format(python=cluster.runner.python))
        (folder / "fairlead").chmod(0o755)
        examples = cluster.home / "examples"
        shutil.copytree(ROOT / "examples", examples)
        for manifest in examples.glob("*.yaml"):
            manifest.write_text(manifest.read_text().replace("30200", port))
        # A page uses the default cluster, in the test's state folder.
        script = "\n".join(["set -eo pipefail", f'PATH="{folder}:$PATH"', f"cd {cluster.home}", _script(snippets)])
        try:
            done = cluster.runner.run([*cluster.runner.prefix, "bash", "-c", script], timeout_s=300)
        finally:
            cluster.runner.run(cluster.runner.command("down", "--purge"))
        assert done.returncode == 0, done.stdout + done.stderr
    outputs = done.stdout.split(_SEPARATOR)
    for (commands, expected), printed in zip(snippets, outputs, strict=False):
        if expected is not None:
            assert agrees(expected, printed), f"{commands}\nexpected:\n{expected}\nprinted:\n{printed}\n{done.stderr}"
    return "".join(outputs)
