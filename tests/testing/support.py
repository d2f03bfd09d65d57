"""A project that uses Fairlead's plug-in, run by pytest in another process."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.support import RUNNERS, Runner


@dataclass(frozen=True)
class Project:
    """A folder with tests, and the way to run them."""

    root: Path
    home: Path
    runner: Runner

    def write(self, name: str, text: str) -> None:
        (self.root / name).write_text(textwrap.dedent(text))

    def command(self, *arguments: str) -> list[str]:
        flags = ("-p", "no:cacheprovider", "--rootdir", str(self.root))
        return [*self.runner.prefix, self.runner.python, "-m", "pytest", *flags, *arguments, str(self.root)]

    def pytest(self, *arguments: str, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
        return self.runner.run(self.command(*arguments), timeout_s=timeout_s)

    def clusters(self) -> list[str]:
        """Returns the names of the clusters that have a folder."""
        folder = self.home / "fairlead"
        return sorted(p.name for p in folder.iterdir() if not p.name.startswith(".")) if folder.exists() else []


@contextmanager
def new_project(who: str = "root") -> Iterator[Project]:
    """Yields an empty project; afterwards all of its clusters are deleted."""
    home = Path(tempfile.mkdtemp(prefix="fairlead-test-"))
    try:
        home.chmod(0o755)
        runner = RUNNERS[who](home)
        root = home / "project"
        root.mkdir()
        try:
            yield Project(root, home, runner)
        finally:
            runner.run(runner.command("down", "--all", "--purge"))
    finally:
        shutil.rmtree(home, ignore_errors=True)
