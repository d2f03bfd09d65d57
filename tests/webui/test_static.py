"""The static files: nothing inline, nothing from elsewhere, every import leads to a file."""

from __future__ import annotations

import re

import pytest

from fairlead.webui.files import PUBLIC, read_all

FILES = read_all()
SCRIPTS = sorted(name for name in FILES if name.endswith(".js"))
PAGES = sorted(name for name in FILES if name.endswith(".html"))


def text(name: str) -> str:
    return FILES[name].body.decode()


def imports(name: str) -> set[str]:
    return set(re.findall(r'(?:from|import)\s*\(?\s*[`"](/ui/[^"`$]+)', text(name)))


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_import_leads_to_a_file(name: str) -> None:
    assert {path.removeprefix("/ui/") for path in imports(name)} <= FILES.keys()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_inline_code_and_its_links_lead_to_files(name: str) -> None:
    page = text(name)
    assert "<style" not in page
    assert not re.search(r"\son[a-z]+=|\sstyle=", page)
    assert not re.search(r"<script(?![^>]*\ssrc=)", page)
    linked = re.findall(r'(?:href|src)="(/ui/[^"]+)"', page)
    assert {path.removeprefix("/ui/") for path in linked} <= FILES.keys()


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_file_names_no_other_host(name: str) -> None:
    hosts = set(re.findall(r"\b(?:https?|wss?)://([\w.-]+)", text(name)))
    assert hosts <= {"www.w3.org"}  # the name of SVG's namespace


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_makes_markup_or_code_from_text(name: str) -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text(name))


def test_the_login_page_needs_only_public_files() -> None:
    needed = {path.removeprefix("/ui/") for path in re.findall(r'(?:href|src)="(/ui/[^"]+)"', text("login.html"))}
    assert needed <= PUBLIC
    assert not imports("login.js")
