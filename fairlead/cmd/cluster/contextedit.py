"""Changes one context in the text of a kubeconfig: adds it, makes it current, removes it. Pure.

What must stay true: every byte outside our entries stays: comments, order, quotes, other programs' entries. PyYAML's
marks give the place of each entry, and only these places of the text are replaced. Each change is checked: the new text
must mean what the old one meant, except for our entries. Otherwise `EditError` is raised, and the caller leaves the
file as it was.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from fairlead.machinery.values.yamltree import load_yaml

Tree = dict[str, Any]
Edit = tuple[int, int, str]
"""Start and end in the text, and the replacement."""
_LISTS = {"clusters": "cluster", "contexts": "context", "users": "user"}
_CURRENT = "current-context"


class EditError(Exception):
    """The text is not a kubeconfig, or it has a form in which our entries cannot be changed. One line."""


def with_context(text: str, ours: Tree) -> str:
    """Returns the text with the entries of `ours` and its current context.

    An existing context of that name keeps its namespace; existing entries that are up to date keep their text.
    """
    root, tree = _parse(text)
    if root is None:
        return text + ("" if not text or text.endswith("\n") else "\n") + _block(ours)
    name = ours[_CURRENT]
    edits: list[Edit] = []
    added: Tree = {}
    for key, inner in _LISTS.items():
        entry = ours[key][0]
        present = _named(tree.get(key), name)
        if present is not None:
            entry = _updated(present, entry, inner)
            if entry != present:
                edits.append(_replace_entry(text, _value(root, key), name, entry))
        elif not tree.get(key):
            edits += _fill(text, root, key, entry, added)
        else:
            edits.append(_append_entry(text, _value(root, key), entry))
    if tree.get(_CURRENT) != name:
        edits += _set_current(root, name, added)
    if added:
        edits.append(_append_keys(text, root, added))
    return _checked(tree, _apply(text, edits), name, current=name)


def without_context(text: str, name: str, authority: str) -> str:
    """Returns the text without the entries called `name`, if the cluster among them has this certificate authority.

    If the current context was of that name, no context is current afterwards.
    """
    root, tree = _parse(text)
    cluster = (_named(tree.get("clusters"), name) or {}).get("cluster")
    if root is None or not isinstance(cluster, dict) or cluster.get("certificate-authority-data") != authority:
        return text
    edits = [
        edit
        for key in _LISTS
        if _named(tree.get(key), name) is not None
        for edit in _remove_entry(text, _value(root, key), name)
    ]
    current = tree.get(_CURRENT)
    if current == name:
        value = _value(root, _CURRENT)
        edits.append((value.start_mark.index, value.end_mark.index, '""'))
        current = ""
    return _checked(tree, _apply(text, edits), name, current=current)


def _parse(text: str) -> tuple[Any, Tree]:
    """Returns the root node (None for a text without a document), and the same as a tree."""
    import yaml  # slow to import

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        tree = load_yaml(text)
    except (ValueError, yaml.YAMLError) as e:
        raise EditError(f"invalid YAML: {' '.join(str(e).split())[:160]}") from e
    if root is None or tree is None:
        return None, {}
    if not isinstance(tree, dict):
        raise EditError("not a kubeconfig: expected a mapping with clusters, users and contexts")
    for key in _LISTS:
        if not isinstance(tree.get(key) or [], list):
            raise EditError(f"not a kubeconfig: {key}: expected a list")
    return root, tree


def _checked(before: Tree, text: str, name: str, *, current: Any) -> str:
    _, after = _parse(text)
    if _foreign(before, name) != _foreign(after, name) or after.get(_CURRENT) != current:
        raise EditError("its form does not permit a change of single entries")
    return text


def _foreign(tree: Tree, name: str) -> Tree:
    rest: Tree = {key: value for key, value in tree.items() if key != _CURRENT}
    for key in _LISTS:
        rest[key] = [
            entry for entry in tree.get(key) or [] if not (isinstance(entry, dict) and entry.get("name") == name)
        ]
    return rest | {"apiVersion": "v1", "kind": "Config", "preferences": tree.get("preferences") or {}}


def _updated(present: Tree, ours: Tree, inner: str) -> Tree:
    """Returns our entry, with what users add to a cluster or a context; the present entry if it says the same."""
    theirs = present.get(inner)
    if inner == "user" or not isinstance(theirs, dict):
        return present if theirs == ours[inner] else ours
    return present | {inner: theirs | ours[inner]}


def _named(entries: Any, name: str) -> Tree | None:
    return next((one for one in entries or () if isinstance(one, dict) and one.get("name") == name), None)


def _value(root: Any, key: str) -> Any:
    return next((value for known, value in root.value if known.value == key), None)


def _places(sequence: Any, name: str) -> Iterator[int]:
    """Yields the positions of the entries called `name`."""
    for i, item in enumerate(sequence.value):
        if any(key.value == "name" and value.value == name for key, value in getattr(item, "value", ())):
            yield i


def _replace_entry(text: str, sequence: Any, name: str, entry: Tree) -> Edit:
    position = next(_places(sequence, name))
    if sequence.flow_style:
        item = sequence.value[position]
        return item.start_mark.index, item.end_mark.index, json.dumps(entry)
    start, end = _lines_of(text, sequence, position)
    return start, end, _block([entry], indent=sequence.start_mark.column)


def _append_entry(text: str, sequence: Any, entry: Tree) -> Edit:
    last = sequence.value[-1]
    if sequence.flow_style:
        return last.end_mark.index, last.end_mark.index, ", " + json.dumps(entry)
    return _after_line(text, _tail(last), _block([entry], indent=sequence.start_mark.column))


def _remove_entry(text: str, sequence: Any, name: str) -> Iterator[Edit]:
    """Yields the edits that remove the entries of that name; a list that becomes empty is written as `[]`."""
    doomed = list(_places(sequence, name))
    if len(doomed) == len(sequence.value):
        start = sequence.start_mark.index
        key_end = len(text[:start].rstrip())
        # Below a comment `[]` needs an indentation: a list may start in the column of its key, `[]` may not.
        place, empty = (key_end, " []") if text[:key_end].endswith(":") else (start, "  []")
        yield place, _tail(sequence), empty
        return
    for position in doomed:
        if not sequence.flow_style:
            yield (*_lines_of(text, sequence, position), "")
        elif position:
            yield sequence.value[position - 1].end_mark.index, sequence.value[position].end_mark.index, ""
        else:
            yield sequence.value[0].start_mark.index, sequence.value[1].start_mark.index, ""


def _fill(text: str, root: Any, key: str, entry: Tree, added: Tree) -> Iterator[Edit]:
    """Yields the edits for a list that is empty or null, or notes in `added` that the whole key is missing."""
    value = _value(root, key)
    if value is None:
        added[key] = [entry]
        return
    start, end = value.start_mark.index, value.end_mark.index
    before = text[text.rfind("\n", 0, start) + 1 : start]
    if root.flow_style or not re.fullmatch(rf"{re.escape(key)}:\s*", before):
        yield start, end, (" " if start == end else "") + json.dumps([entry])
        return
    yield start - (len(before) - len(before.rstrip())), end, ""
    yield _after_line(text, end, _block([entry]))


def _set_current(root: Any, name: str, added: Tree) -> Iterator[Edit]:
    value = _value(root, _CURRENT)
    if value is None:
        added[_CURRENT] = name
        return
    start, end = value.start_mark.index, value.end_mark.index
    yield start, end, f" {name}" if start == end else json.dumps(name) if root.flow_style else name


def _append_keys(text: str, root: Any, added: Tree) -> Edit:
    end = _tail(root.value[-1][1]) if root.value else root.end_mark.index - 1
    if root.flow_style:
        return end, end, (", " if root.value else "") + json.dumps(added)[1:-1]
    return _after_line(text, end, _block(added, indent=root.start_mark.column))


def _lines_of(text: str, sequence: Any, position: int) -> tuple[int, int]:
    """Returns start and end of the lines of one entry of a list in block style."""
    if position == 0:
        start = sequence.start_mark.index - sequence.start_mark.column
        if text[start : sequence.start_mark.index].strip():
            raise EditError("its form does not permit a change of single entries")
    else:
        dash = re.compile(rf"^ {{{sequence.start_mark.column}}}-(?=\s)", re.MULTILINE)
        found = dash.search(text, _tail(sequence.value[position - 1]))
        if found is None:
            raise EditError("its form does not permit a change of single entries")
        start = found.start()
    end = text.find("\n", _tail(sequence.value[position]))
    return start, len(text) if end < 0 else end + 1


def _tail(node: Any) -> int:
    """Returns the end of the node's last character; the mark of a block lies after the comments that follow it."""
    if isinstance(node.value, str) or node.flow_style or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    return _tail(last[1] if isinstance(last, tuple) else last)


def _after_line(text: str, position: int, inserted: str) -> Edit:
    """Inserts lines after the line of the position. A block scalar ends at the start of the next line."""
    if position and text[position - 1 : position] == "\n":
        return position, position, inserted
    end = text.find("\n", position)
    return (len(text), len(text), "\n" + inserted) if end < 0 else (end + 1, end + 1, inserted)


def _apply(text: str, edits: list[Edit]) -> str:
    """Applies the edits from the end to the start. Insertions at one place keep their order."""
    backwards = sorted(enumerate(edits), key=lambda one: (one[1][:2], one[0]), reverse=True)
    for _, (start, end, replacement) in backwards:
        text = text[:start] + replacement + text[end:]
    return text


def _block(value: Any, *, indent: int = 0) -> str:
    """Renders entries in lines, indented."""
    from fairlead.cmd.cluster.kubeconfig import dump

    return re.sub("^(?=.)", " " * indent, dump(value), flags=re.MULTILINE)
