"""Changes of one context in the text of a user's kubeconfig."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.cmd.cluster.contextedit import EditError, with_context, without_context
from fairlead.machinery.values.yamltree import load_yaml

Tree = dict[str, Any]


def ours(name: str = "fairlead-t", *, port: int = 6443, authority: str = "Q0E=") -> Tree:
    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority-data": authority}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"client-key-data": "S0VZ"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }


FOREIGN = """\
# my clusters
apiVersion: v1
clusters:
  # production: take care
  - cluster:
      server: "https://prod:6443"   # behind the VPN
    name: prod

  - {name: dev, cluster: {server: 'https://dev'}}
contexts:
- name: prod
  context:
    cluster: prod
    user: &me admin
    # trailing remark

current-context: prod # the real one
kind: Config
preferences: {}
users:
- name: admin
  user:
    token: |
      first
      second
# the end
"""
JSON = (
    '{"apiVersion": "v1", "kind": "Config", "clusters": [{"name": "a", "cluster": {}}], "users": [], "contexts": null}'
)
EMPTY = 'apiVersion: v1\nclusters: null # none\ncontexts: []\ncurrent-context: ""\nkind: Config\nusers:\n'
FORMS = {
    "nothing": "",
    "only a comment": "# mine\n",
    "block": FOREIGN,
    "without a last newline": FOREIGN.rstrip("\n"),
    "windows": FOREIGN.replace("\n", "\r\n"),
    "json": JSON,
    "empty json": "{}",
    "empty lists": EMPTY,
    "only a kind": "kind: Config",
    "two documents' mark": "---\n" + FOREIGN,
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_a_context_is_added_and_its_removal_gives_the_old_file_or_its_meaning(text: str) -> None:
    changed = with_context(text, ours())
    tree = load_yaml(changed)
    assert tree["current-context"] == "fairlead-t"
    for key in ("clusters", "users", "contexts"):
        assert tree[key][-1] == ours()[key][0]
        assert tree[key][:-1] == ((load_yaml(text) or {}).get(key) or [])
    removed = without_context(changed, "fairlead-t", "Q0E=")
    assert "fairlead-t" not in removed
    back = load_yaml(removed)
    assert back["current-context"] == ""
    assert [back[key] for key in ("clusters", "users", "contexts")] == [
        (load_yaml(text) or {}).get(key) or [] for key in ("clusters", "users", "contexts")
    ]
    again = with_context(removed, ours())
    assert load_yaml(again) == tree


@pytest.mark.parametrize("text", [FORMS["block"], FORMS["windows"], FORMS["two documents' mark"]])
def test_every_foreign_line_stays(text: str) -> None:
    lines = with_context(text, ours()).splitlines(keepends=True)
    rest = iter(lines)
    for line in text.splitlines(keepends=True):
        expected = line.replace("prod # the real one", "fairlead-t # the real one")
        assert expected in rest, f"{expected!r} is missing, or not in its place"
    removed = without_context("".join(lines), "fairlead-t", "Q0E=")
    assert removed == text.replace("current-context: prod", 'current-context: ""')


def test_a_context_that_is_up_to_date_leaves_the_text() -> None:
    text = with_context(FOREIGN, ours())
    assert with_context(text, ours()) == text


def test_a_new_port_replaces_only_the_cluster_and_keeps_what_users_add() -> None:
    text = with_context(FOREIGN, ours()) + "# mine\n"
    text = text.replace("    user: fairlead-t", "    user: fairlead-t\n    namespace: dev   # mine too")
    changed = with_context(text, ours(port=7000))
    assert changed == text.replace("127.0.0.1:6443", "127.0.0.1:7000")


def test_several_clusters_lie_beside_each_other_and_the_last_is_current() -> None:
    text = with_context(with_context(FOREIGN, ours("fairlead-a")), ours("fairlead-b"))
    assert [one["name"] for one in load_yaml(text)["contexts"]] == ["prod", "fairlead-a", "fairlead-b"]
    assert load_yaml(text)["current-context"] == "fairlead-b"
    removed = without_context(text, "fairlead-a", "Q0E=")
    assert load_yaml(removed)["current-context"] == "fairlead-b"
    assert removed == with_context(FOREIGN, ours("fairlead-b"))


def test_a_context_of_another_authority_is_not_removed() -> None:
    text = with_context(FOREIGN, ours(authority="T1RIRVI="))
    assert without_context(text, "fairlead-t", "Q0E=") == text
    assert without_context(FOREIGN, "fairlead-t", "Q0E=") == FOREIGN
    assert without_context("", "fairlead-t", "Q0E=") == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("clusters: [", "invalid YAML"),
        ("- a", "expected a mapping"),
        ("text", "expected a mapping"),
        ("clusters: {a: b}", "clusters: expected a list"),
        ("users: 7", "users: expected a list"),
        ("kind: Config\n---\nkind: Config\n", "invalid YAML"),
    ],
)
def test_text_without_the_form_of_a_kubeconfig_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(EditError, match=reason):
        with_context(text, ours())


def test_an_entry_that_others_refer_to_is_not_replaced() -> None:
    text = with_context("", ours()).replace("  cluster:\n    server", "  cluster: &c\n    server", 1)
    text = text.replace("users:", "- name: copy\n  cluster: *c\nusers:", 1)
    assert load_yaml(text)["clusters"][1]["name"] == "copy"
    with pytest.raises(EditError):
        with_context(text, ours(port=7000))


NAMES = st.lists(st.sampled_from(["a", "b", "fairlead-t", "fairlead-u"]), unique=True, max_size=4)
STYLES = st.sampled_from([None, True, False])


@given(NAMES, NAMES, NAMES, STYLES, st.booleans())
def test_any_mix_of_entries_and_styles_keeps_its_meaning(
    clusters: list[str], users: list[str], contexts: list[str], style: bool | None, indented: bool
) -> None:
    import yaml

    class Indented(yaml.SafeDumper):
        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, indentless and not indented)

    old: Tree = {
        "clusters": [{"name": name, "cluster": {"server": name}} for name in clusters],
        "contexts": [{"context": {"cluster": name, "namespace": "dev"}, "name": name} for name in contexts],
        "users": [{"name": name, "user": {}} for name in users],
        "current-context": "a",
    }
    text = with_context(yaml.dump(old, Dumper=Indented, default_flow_style=style), ours())
    tree = load_yaml(text)
    for key, names in (("clusters", clusters), ("users", users), ("contexts", contexts)):
        assert [one["name"] for one in tree[key]] == names + ([] if "fairlead-t" in names else ["fairlead-t"])
    context = next(one["context"] for one in tree["contexts"] if one["name"] == "fairlead-t")
    assert context.get("namespace") == ("dev" if "fairlead-t" in contexts else None)
    removed = load_yaml(without_context(text, "fairlead-t", "Q0E="))
    assert removed["clusters"] == [one for one in old["clusters"] if one["name"] != "fairlead-t"]
