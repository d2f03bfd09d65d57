"""Chromium for tests of the page: a cluster with a Service, `fairlead ui`, and pages that are logged in.

Screenshots of the tests stay in `build/screenshots`.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.cluster.support import ROOT, Cluster

SHOTS = ROOT / "build" / "screenshots"
NOT_INSTALLED = "programs are not given: playwright and axe (requirements-test.lock)"


@contextmanager
def chromium() -> Iterator[Any]:
    """Yields a headless Chromium. `--no-sandbox`, because Chromium refuses its sandbox to root."""
    sync_api = pytest.importorskip("playwright.sync_api", reason=NOT_INSTALLED)
    program = shutil.which("chromium") or pytest.skip("no chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def ui(cluster: Cluster, *arguments: str) -> Iterator[str]:
    """Runs `fairlead ui` and yields its URL."""
    command = cluster.runner.command("ui", "--name", cluster.name, "--print", *arguments)
    process = cluster.runner.start(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate(timeout=120)
    assert process.returncode == 0


class Tab:
    """A page that notes every error: of scripts, of the content security policy, of requests."""

    def __init__(self, browser: Any, url: str, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        self.page = self.context.new_page()
        self.origin = url.partition("/ui/")[0]
        self.errors: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(url)
        self.page.wait_for_url(f"{self.origin}/ui/")

    def _hear(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def show(self, view: str, *, ready: bool = True) -> Any:
        """Shows a view and waits until its data have arrived."""
        self.page.goto(f"{self.origin}/ui/#/{view}")
        if ready:
            self.page.wait_for_selector("#view[data-ready=yes]")
        return self.page

    def shot(self, name: str) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(SHOTS / f"{name}.png"))

    def close(self) -> None:
        self.context.close()


def violations(page: Any) -> list[str]:
    """Returns what axe-core finds: rule and elements."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason=NOT_INSTALLED).Axe()
    found = axe.run(page).response["violations"]
    return [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]
