"""Server-side apply by the real kubectl, against a server on the loopback address."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from .harness import start
from .https import listen, serve

KUBECTL = shutil.which("kubectl")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(KUBECTL is None, reason="no kubectl on the PATH")]

SERVICE = """
apiVersion: v1
kind: Service
metadata:
  name: web
  labels: {app: web}
spec:
  selector: {app: web}
  ports:
  - {name: http, port: 80, targetPort: 8080}
"""
REVIEW = "Please review the fields above--they currently have other managers."


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Kubectl:
    folder: Path

    async def try_(self, *arguments: str, stdin: str = "", **environment: str) -> Done:
        base = {"KUBECONFIG": str(self.folder / "kubeconfig"), "HOME": str(self.folder), "PATH": "/usr/bin:/bin"}
        process = await asyncio.create_subprocess_exec(
            KUBECTL or "",
            *arguments,
            env=base | environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(stdin.encode()), 30)
        return Done(process.returncode or 0, out.decode(), err.decode())

    async def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> str:
        done = await self.try_(*arguments, stdin=stdin, **environment)
        assert done.code == 0, f"kubectl {' '.join(arguments)}: {done.out}{done.err}"
        return done.out

    async def apply(self, text: str, *more: str) -> str:
        return await self("apply", "--server-side", "-f", "-", *more, stdin=text)

    async def owners(self) -> dict[tuple[str, str], str]:
        """Returns the fields of the Service that each manager owns, as text."""
        text = await self("get", "service", "web", "-o", "json", "--show-managed-fields")
        entries = json.loads(text)["metadata"]["managedFields"]
        return {(e["manager"], e["operation"]): json.dumps(e["fieldsV1"]) for e in entries}


def run(folder: Path, home: Path, story: Callable[[Kubectl], Awaitable[None]]) -> None:
    async def main() -> None:
        api = await start()
        sock, _ = listen(home, folder)
        await serve(api.server, sock, folder)
        try:
            await story(Kubectl(home))
        finally:
            await api.server.stop()

    asyncio.run(main())


def test_applies_conflicts_and_forces(certificates: Path, tmp_path: Path) -> None:
    async def story(kubectl: Kubectl) -> None:
        assert await kubectl.apply(SERVICE) == "service/web serverside-applied\n"
        changed = SERVICE.replace("8080", "9090")
        other = "--field-manager=other"
        done = await kubectl.try_("apply", "--server-side", "-f", "-", other, stdin=changed)
        where = '.spec.ports[port=80,protocol="TCP"].targetPort'
        assert done.code == 1
        assert done.err.startswith(f'error: Apply failed with 1 conflict: conflict with "kubectl": {where}\n{REVIEW}')
        await kubectl.apply(changed, other, "--force-conflicts")
        owners = await kubectl.owners()
        assert "f:targetPort" in owners["other", "Apply"]
        assert "f:targetPort" not in owners["kubectl", "Apply"]
        assert "managedFields" not in await kubectl("get", "service", "web", "-o", "yaml")

    run(certificates, tmp_path, story)


def test_a_diff_shows_what_an_apply_would_change(certificates: Path, tmp_path: Path) -> None:
    async def story(kubectl: Kubectl) -> None:
        await kubectl.apply(SERVICE)
        assert await kubectl("diff", "--server-side", "-f", "-", stdin=SERVICE) == ""
        done = await kubectl.try_("diff", "--server-side", "-f", "-", stdin=SERVICE.replace("8080", "9090"))
        assert done.code == 1
        assert "-    targetPort: 8080\n+    targetPort: 9090\n" in done.out

    run(certificates, tmp_path, story)


def test_an_object_moves_from_client_side_to_server_side_apply(certificates: Path, tmp_path: Path) -> None:
    async def story(kubectl: Kubectl) -> None:
        await kubectl("apply", "-f", "-", stdin=SERVICE)
        assert list(await kubectl.owners()) == [("kubectl-client-side-apply", "Update")]
        await kubectl.apply(SERVICE.replace("8080", "9090"))
        assert list(await kubectl.owners()) == [("kubectl", "Apply"), ("kubectl-last-applied", "Apply")]
        shown = yaml.safe_load(await kubectl("apply", "view-last-applied", "service", "web"))
        assert shown["spec"]["ports"] == [{"name": "http", "port": 80, "targetPort": 9090}]
        await kubectl.apply(SERVICE.replace("labels: {app: web}", "labels: {}"))
        assert json.loads(await kubectl("get", "service", "web", "-o", "json"))["metadata"].get("labels") is None
        assert await kubectl("apply", "-f", "-", stdin=SERVICE) == "service/web configured\n"

    run(certificates, tmp_path, story)


def test_an_object_edited_meanwhile_is_a_conflict(certificates: Path, tmp_path: Path) -> None:
    async def story(kubectl: Kubectl) -> None:
        await kubectl.apply(SERVICE)
        await kubectl("edit", "service", "web", KUBE_EDITOR="sed -i s/8080/9376/")
        await kubectl("label", "service", "web", "tier=front")
        done = await kubectl.try_("apply", "--server-side", "-f", "-", stdin=SERVICE)
        where = '.spec.ports[port=80,protocol="TCP"].targetPort'
        assert f'Apply failed with 1 conflict: conflict with "kubectl-edit" using v1: {where}\n' in done.err
        await kubectl.apply(SERVICE, "--force-conflicts")
        assert list(await kubectl.owners()) == [("kubectl", "Apply"), ("kubectl-label", "Update")]

    run(certificates, tmp_path, story)


def test_unknown_fields_are_refused(certificates: Path, tmp_path: Path) -> None:
    async def story(kubectl: Kubectl) -> None:
        text = SERVICE + "  replicas: 3\n"
        done = await kubectl.try_("apply", "--server-side", "--validate=false", "-f", "-", stdin=text)
        assert done.code == 1
        assert done.err == (
            "Error from server (BadRequest): failed to create typed patch object "
            "(default/web; /v1, Kind=Service): .spec.replicas: field not declared in schema\n"
        )

    run(certificates, tmp_path, story)
