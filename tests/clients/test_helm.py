"""Helm, by the package `helm-python-sdk`, which wraps Helm's own library.

`make test` installs the package; `make venv` does not, because it takes 255 MB.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kubernetes import dynamic
from kubernetes.client import ApiClient

from . import chart
from .apiserver import Served

_PROGRAM = """\
import json, sys
import helm_python as helm
kubeconfig, calls = sys.argv[1], json.loads(sys.argv[2])
with helm.Config(kubeconfig_path=kubeconfig, namespace="default") as cfg:
    print(json.dumps([getattr(cfg, name)(*args, **more) for name, args, more in calls]))
"""
INSTALLED = importlib.util.find_spec("helm_python") is not None


def helm(served: Served, *calls: tuple[str, list[Any], dict[str, Any]]) -> list[Any]:
    """Calls methods of Helm's configuration in another process, because the library brings Go's runtime."""
    command = [sys.executable, "-c", _PROGRAM, str(served.kubeconfig), json.dumps(calls)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results: list[Any] = json.loads(done.stdout)
    return results


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED, reason="programs are not given: helm-python-sdk")
def test_a_chart_with_every_common_kind_is_installed_upgraded_rolled_back_and_removed(
    served: Served, api: ApiClient, tmp_path: Path
) -> None:
    client = dynamic.DynamicClient(api)
    maps = client.resources.get(api_version="v1", kind="ConfigMap")
    deployments = client.resources.get(api_version="apps/v1", kind="Deployment")

    def present(api_version: str, kind: str) -> bool:
        resource = client.resources.get(api_version=api_version, kind=kind)
        where = {"namespace": "default"} if resource.namespaced else {}
        return any(item.metadata.name == "web" for item in resource.get(**where).items)

    kinds = [template.partition("|")[0].split() for template in chart.TEMPLATES.values()]
    folder = str(chart.write(tmp_path / "shop", "1.0.0"))
    [installed] = helm(served, ("install", [folder, "web"], {}))
    assert (installed["revision"], installed["status"]) == (1, "deployed")
    assert all(present(*kind) for kind in kinds)
    chart.write(tmp_path / "shop", "1.1.0")
    values = {"replicas": 4, "message": "second", "extra": True}
    [upgraded] = helm(served, ("upgrade", [folder, "web", values], {}))
    assert (upgraded["revision"], upgraded["status"]) == (2, "deployed")
    assert deployments.get(name="web", namespace="default").spec.replicas == 4
    assert maps.get(name="web-extra", namespace="default").kind == "ConfigMap"
    _, history = helm(served, ("rollback", ["web"], {"version": 1}), ("history", ["web"], {}))
    assert [entry["status"] for entry in history] == ["superseded", "superseded", "deployed"]
    assert maps.get(name="web", namespace="default").data.message == "first"
    assert deployments.get(name="web", namespace="default").spec.replicas == 2
    assert "web-extra" not in [item.metadata.name for item in maps.get(namespace="default").items]
    helm(served, ("uninstall", ["web"], {}))
    assert not any(present(*kind) for kind in kinds)
