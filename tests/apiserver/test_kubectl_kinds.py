"""Every kind by the real kubectl: create, get, describe, explain, server-side apply, edit, delete.

Each version of a kind has a file `examples/<resource>_<version>.yaml` with a small valid object. One command handles
all objects, because a run of kubectl costs 0.2 s; each kind is then looked for in the output.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from fairlead.api.kinds import KINDS
from fairlead.machinery.kinds.kind import Kind

from .conftest import Kubectl

pytestmark = pytest.mark.slow
EXAMPLES = Path(__file__).parent / "examples"
CREATED = [kind for kind in KINDS if "create" in kind.verbs and "get" in kind.verbs]
"""Kinds with objects; the others are only read or only posted."""
BETA_IN_KUBECTL = {"ipaddresses", "servicecidrs", "volumeattributesclasses"}
"""Kinds that kubectl 1.32 describes in a beta version, which servers of 1.36 do not serve by default either."""
MARK = "example.com/edited"


def id_of(kind: Kind[Any]) -> str:
    return f"{kind.resource}_{kind.version}"


def example(kind: Kind[Any]) -> dict[str, Any]:
    path = EXAMPLES / f"{id_of(kind)}.yaml"
    assert path.is_file(), f"add an example of the kind: {path.relative_to(EXAMPLES.parents[2])}"
    tree: dict[str, Any] = yaml.safe_load(path.read_text())
    return tree


def named(kind: Kind[Any]) -> str:
    """Returns the object as kubectl prints it."""
    kinds = f"{kind.kind.lower()}.{kind.group}" if kind.group else kind.kind.lower()
    return f"{kinds}/{example(kind)['metadata']['name']}"


@dataclass(frozen=True)
class Ran:
    """The output of each command."""

    output: Mapping[str, subprocess.CompletedProcess[str]]

    def lines(self, command: str) -> list[str]:
        return self.output[command].stdout.splitlines()

    def errors(self, command: str) -> str:
        return self.output[command].stderr


EDITOR = f"""
import sys, yaml
with open(sys.argv[1]) as file:
    tree = yaml.safe_load(file)
for item in tree["items"]:
    item["metadata"].setdefault("annotations", {{}})["{MARK}"] = "true"
with open(sys.argv[1], "w") as file:
    yaml.safe_dump(tree, file)
"""
"""A program in place of an editor, which annotates all objects."""


@pytest.fixture(scope="module")
def ran(kubectl: Kubectl) -> Ran:
    """Runs all commands over all examples, in the order of an object's life."""
    folder = kubectl.home / "examples"
    folder.mkdir()
    for kind in CREATED:
        tree = example(kind)
        (folder / f"{id_of(kind)}.json").write_text(json.dumps(tree))
    files = ("-f", str(folder))
    output = {"create": kubectl.run("create", *files)}
    output["get"] = kubectl.run("get", *files, "-o", "wide")
    output["objects"] = kubectl.run("get", *files, "-o", "json")
    output["describe"] = kubectl.run("describe", *files)
    output["apply"] = kubectl.run("apply", "--server-side", "--force-conflicts", *files)
    editor = kubectl.home / "editor.py"
    editor.write_text(EDITOR)
    output["edit"] = kubectl.run("edit", *files, editor=f"{sys.executable} {editor}")
    output["edited"] = kubectl.run("get", *files, "-o", "json")
    output["delete"] = kubectl.run("delete", *files, "--wait=false", "--cascade=background")
    return Ran(output)


every_kind = pytest.mark.parametrize("kind", CREATED, ids=id_of)


def item(ran: Ran, command: str, kind: Kind[Any]) -> dict[str, Any]:
    wanted = example(kind)
    items: list[dict[str, Any]] = json.loads(ran.output[command].stdout)["items"]
    head = (wanted["apiVersion"], wanted["kind"], wanted["metadata"]["name"])
    found = [one for one in items if (one["apiVersion"], one["kind"], one["metadata"]["name"]) == head]
    assert len(found) == 1, (head, ran.errors(command))
    return found[0]


@every_kind
def test_an_object_is_created_and_read_back_with_what_was_given(ran: Ran, kind: Kind[Any]) -> None:
    assert f"{named(kind)} created" in ran.lines("create"), ran.errors("create")
    assert item(ran, "objects", kind)["metadata"]["uid"]


@every_kind
def test_an_object_is_applied_by_the_server_edited_and_deleted(ran: Ran, kind: Kind[Any]) -> None:
    assert f"{named(kind)} serverside-applied" in ran.lines("apply"), ran.errors("apply")
    assert f"{named(kind)} edited" in ran.lines("edit"), ran.errors("edit")
    assert item(ran, "edited", kind)["metadata"]["annotations"][MARK] == "true"
    kinds, _, name = named(kind).partition("/")
    assert any(line.startswith(f'{kinds} "{name}" deleted') for line in ran.lines("delete")), ran.errors("delete")


@pytest.mark.parametrize("kind", [kind for kind in CREATED if kind.plural not in BETA_IN_KUBECTL], ids=id_of)
def test_an_object_is_described(ran: Ran, kind: Kind[Any]) -> None:
    name = example(kind)["metadata"]["name"]
    assert any(line.split() == ["Name:", name] for line in ran.lines("describe")), ran.errors("describe")


def test_a_table_of_every_kind_has_its_columns(ran: Ran) -> None:
    text = ran.output["get"].stdout
    for kind in CREATED:
        titles = [column.name.upper() for column in kind.columns]
        rows = [line.split() for line in text.splitlines()]
        assert [word for title in titles for word in title.split()] in rows, id_of(kind)


@pytest.mark.parametrize("kind", KINDS, ids=id_of)
def test_every_field_of_a_kind_is_explained(kubectl: Kubectl, kind: Kind[Any]) -> None:
    text = kubectl("explain", kind.plural, "--recursive", f"--api-version={kind.api_version}")
    assert f"KIND:       {kind.kind}" in text
    assert all(f"  {field}\t<" in text for field in kind.schema.fields)


def test_all_kinds_are_listed(kubectl: Kubectl) -> None:
    rows = {tuple(line.split()) for line in kubectl("api-resources", "--no-headers").splitlines()}
    listed = {(row[0], row[-3], row[-1]) for row in rows}
    preferred = [kind for kind in KINDS if kind.conversion is None or kind.conversion.storage.group != kind.group]
    assert {(kind.plural, kind.api_version, kind.kind) for kind in preferred} <= listed
