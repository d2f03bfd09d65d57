"""Runs every command of a page of docs/ in order, as a reader would, in a cluster of the test."""

from __future__ import annotations

import re
import shutil

from tests.cluster.support import ROOT, new_cluster, published_port
from tests.kubectl.conftest import find_kubectl

WRAPPER = '#!/bin/sh\nexec {python} -m fairlead.cmd.main "$@"\n'


def typed(page: str, who: str) -> str:
    """Returns the output of the commands; fails if one of them fails. `examples/` is in their working directory."""
    find_kubectl()
    port = str(published_port())
    text = (ROOT / "docs" / page).read_text().replace("30200", port)
    snippets = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
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
        script = "\n".join(["set -eo pipefail", f'PATH="{folder}:$PATH"', f"cd {cluster.home}", *snippets])
        try:
            done = cluster.runner.run([*cluster.runner.prefix, "bash", "-c", script], timeout_s=120)
        finally:
            cluster.runner.run(cluster.runner.command("down", "--purge"))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
