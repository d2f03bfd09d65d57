"""The snippets of docs/testing.md, run as a reader would run them."""

from __future__ import annotations

import re
import shutil
import sys

import pytest

from tests.cluster.support import ROOT
from tests.testing.support import new_project

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]


def test_every_snippet_works() -> None:
    pytest.importorskip("pytest_kubernetes", reason="pytest-kubernetes is not installed")
    text = (ROOT / "docs" / "testing.md").read_text()
    first, script, provider = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    with new_project() as project:
        shutil.copytree(ROOT / "examples" / "pytest" / "manifests", project.root / "manifests")
        project.write("test_first.py", first.replace('"manifests/"', f'"{project.root}/manifests/"'))
        project.write("conftest.py", provider)
        project.write("test_provider.py", "def test_nodes(k8s):\n    assert k8s.kubectl(['get', 'nodes'])['items']\n")
        done = project.pytest()
        assert done.returncode == 0, done.stdout + done.stderr
        project.write("script.py", script)
        shown = project.runner.run([sys.executable, str(project.root / "script.py")])
        assert shown.returncode == 0, shown.stderr
        assert "mine" in shown.stdout
