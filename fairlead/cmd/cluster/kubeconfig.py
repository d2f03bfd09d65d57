"""The file that kubectl and the client libraries read: one cluster, one user, certificates inside.

What must stay true: what users add to the file survives the next start. Only the cluster's address and the
certificates are ours; contexts (`kubectl config set-context --current --namespace=…`), the current context and
entries of other names are theirs.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.cluster.paths import Paths, write_private
from fairlead.net.model import API_PORT_INSIDE

Tree = dict[str, Any]


def render(config: ClusterConfig, paths: Paths, *, api_port: int) -> str:
    """Returns the kubeconfig. A template suffices: every value is a cluster's name, a number or base64."""
    import base64

    name = f"fairlead-{config.name}"

    def embedded(file: str) -> str:
        return base64.b64encode((paths.pki / file).read_bytes()).decode()

    return f"""\
apiVersion: v1
kind: Config
clusters:
- name: {name}
  cluster:
    server: https://127.0.0.1:{api_port}
    certificate-authority-data: {embedded("ca.crt")}
users:
- name: {name}
  user:
    client-certificate-data: {embedded("admin.crt")}
    client-key-data: {embedded("admin.key")}
contexts:
- name: {name}
  context:
    cluster: {name}
    user: {name}
current-context: {name}
preferences: {{}}
"""


def write(config: ClusterConfig, paths: Paths, *, api_port: int) -> None:
    """Writes the file, or updates it. A file that cannot be parsed is renamed to `kubeconfig.old`."""
    text = render(config, paths, api_port=api_port)
    with contextlib.suppress(FileNotFoundError):
        present = paths.kubeconfig.read_bytes()
        if present == text.encode():
            return
        merged = merge(present, text)
        if merged is None:
            os.replace(paths.kubeconfig, paths.kubeconfig.with_name("kubeconfig.old"))
        else:
            text = merged
    write_private(paths.kubeconfig, text.encode())


def write_inside(config: ClusterConfig, paths: Paths) -> Path:
    """Writes a copy for programs on a node, which reach the API at the gateway; returns its path."""
    outside, inside = f"https://127.0.0.1:{config.api_port}", f"https://{config.network().gateway}:{API_PORT_INSIDE}"
    text = paths.kubeconfig.read_text(encoding="utf-8").replace(outside, inside)
    write_private(paths.kubeconfig_inside, text.encode())
    return paths.kubeconfig_inside


def merge(present: bytes, fresh: str) -> str | None:
    """Returns the present file with the fresh file's address and certificates, or None if it is invalid."""
    from fairlead.machinery.values.yamltree import load_yaml  # only for changed files

    try:
        tree = load_yaml(present)
    except ValueError:
        return None
    ours: Tree = load_yaml(fresh)
    lists = ("clusters", "users", "contexts")
    if not isinstance(tree, dict) or not all(isinstance(tree.get(name) or [], list) for name in lists):
        return None
    merged = ours | tree
    for name, inner in (("clusters", "cluster"), ("users", "user")):
        merged[name] = _with_entry(tree.get(name) or [], ours[name][0], inner, ours_wins=True)
    merged["contexts"] = _with_entry(tree.get("contexts") or [], ours["contexts"][0], "context", ours_wins=False)
    if merged["current-context"] not in [one.get("name") for one in merged["contexts"] if isinstance(one, dict)]:
        merged["current-context"] = ours["current-context"]
    return fresh if merged == ours else dump(merged)


def _with_entry(entries: list[Any], ours: Tree, inner: str, *, ours_wins: bool) -> list[Any]:
    """Returns the entries with our entry merged into the entry of the same name, or added."""
    kept: list[Any] = []
    for entry in entries:
        if isinstance(entry, dict) and entry.get("name") == ours["name"]:
            theirs = entry.get(inner)
            theirs = theirs if isinstance(theirs, dict) else {}
            entry = entry | {inner: theirs | ours[inner] if ours_wins else ours[inner] | theirs}
        kept.append(entry)
    known = any(isinstance(entry, dict) and entry.get("name") == ours["name"] for entry in entries)
    return kept if known else [*kept, ours]


def dump(tree: Tree | list[Tree]) -> str:
    """Renders YAML that Go's libraries read as the same texts."""
    import yaml  # heavy, and needed only for changed files

    class Dumper(yaml.SafeDumper):
        """A dumper that quotes each text that Go's YAML would read as another type, such as `y`."""

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=None if _is_bare(value) else '"')

    Dumper.add_representer(str, text)
    return yaml.dump(tree, Dumper=Dumper, sort_keys=False, default_flow_style=False, width=1 << 20, allow_unicode=True)


def _is_bare(text: str) -> bool:
    from fairlead.machinery.values.yamltree import load_yaml

    try:
        return bool(load_yaml(text) == text)
    except ValueError:
        return False
