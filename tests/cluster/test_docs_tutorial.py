"""Runs every command of docs/tutorial.md in order, and compares what it prints; the Korean page has the same."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.cluster.guide import Block, agrees, blocks, typed
from tests.cluster.support import ROOT
from tests.kubectl.conftest import USERS


@pytest.mark.cluster
@pytest.mark.kernel
@pytest.mark.slow
@pytest.mark.parametrize("who", USERS[-1:])
@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("busybox")), reason="no curl or busybox on this host")
def test_every_command_prints_what_the_tutorial_says(who: str) -> None:
    assert "the rules in the kernels agree with the plan" in typed("tutorial.md", who)


def test_the_korean_tutorial_has_the_same_commands_and_outputs() -> None:
    assert blocks("tutorial.ko.md") == blocks("tutorial.md")


def test_the_korean_tutorial_has_the_same_sections_links_and_pictures() -> None:
    english, korean = ((ROOT / "docs" / name).read_text() for name in ("tutorial.md", "tutorial.ko.md"))
    headings = re.compile(r"^(#+) ", re.MULTILINE)
    links = re.compile(r"\]\(([^)]+)\)")
    assert headings.findall(korean) == headings.findall(english)
    assert sorted(set(links.findall(korean)) - {"tutorial.md"}) == sorted(
        set(links.findall(english)) - {"tutorial.ko.md"}
    )


def test_the_korean_tutorial_is_in_korean() -> None:
    page = re.sub(r"^```.*?^```", "", (ROOT / "docs" / "tutorial.ko.md").read_text(), flags=re.MULTILINE | re.DOTALL)
    for paragraph in re.split(r"\n\n+", page.strip()):
        if not re.match(r"#|!\[|English", paragraph):
            assert re.search(r"니다[.)]|니다\(", paragraph), paragraph


def test_a_block_is_a_command_and_the_output_after_it() -> None:
    found = blocks("tutorial.md")
    assert found[0].expected is None
    assert Block("kubectl exec deployment/webui -- hostname\n", "webui-84bc4c6ff9-57wzk\n") in found


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("a  b\n", "a b\n", True),
        ("a\n...\nb\n", "a\nx\ny\nb\n", True),
        ("a\n...\nb\n", "a\nb\n", True),
        ("to ... end\n", "to any end\n", True),
        ("web-84bc4c6ff9-57wzk 2s 10.244.1.2\n", "web-7ccd84f75-x2rxp 1m3s 10.244.2.9\n", True),
        ("10.97.110.38\n", "10.104.196.123\n", True),
        ("10.97.110.38\n", "10.100.89.124\n", True),
        ("10.97.110.38\n", "10.96.0.10\n", False),
        ("10.100.100.100\n", "10.100.100.200\n", False),
        ("a\n", "a\nb\n", False),
        ("a\nb\n", "a\n", False),
        ("exit 1\n", "exit 2\n", False),
    ],
)
def test_outputs_are_compared_apart_from_what_varies(expected: str, printed: str, *, same: bool) -> None:
    assert agrees(expected, printed) is same
