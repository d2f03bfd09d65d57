"""The file that kubectl and the client libraries read: one cluster, one user, certificates inside."""

from __future__ import annotations

import base64

from fairlead.cmd.config import ClusterConfig
from fairlead.cmd.paths import Paths, write_private


def render(config: ClusterConfig, paths: Paths, *, api_port: int) -> str:
    """YAML by hand: every value is a name of ours, a number or base64."""
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
    write_private(paths.kubeconfig, render(config, paths, api_port=api_port).encode())
