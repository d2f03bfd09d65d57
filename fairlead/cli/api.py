"""A client for commands: one request after the other, on the standard library's HTTP client.

Objects are JSON trees. The client finds the path of a kind by the server's discovery and contains no list of kinds.
Rejected: the asynchronous client of `runtime`, whose import takes 0.15 s, too long for a command with two requests.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Tree = dict[str, Any]

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


class ApiError(Exception):
    """An answer of the server with a code outside of 2xx."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Api:
    """A connection to one API server. Raises ApiError if the server refuses, and OSError if it does not answer."""

    def __init__(self, port: int, *, pki: Path, timeout_s: float = 10.0) -> None:
        context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        self._context = context
        self._connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=timeout_s)
        self._resources: dict[str, dict[str, Tree]] = {}

    def close(self) -> None:
        self._connection.close()

    def call(
        self,
        method: str,
        path: str,
        body: Tree | None = None,
        *,
        accept: str = "application/json",
        content_type: str = "application/json",
    ) -> Any:
        raw, answered = self._exchange(method, path, body, accept, content_type)
        text = raw.decode()
        return json.loads(text) if "json" in answered else text

    def raw(self, path: str) -> bytes:
        """Returns the body of an answer in JSON, for callers that decode it themselves."""
        return self._exchange("GET", path, None, "application/json", "")[0]

    def _exchange(self, method: str, path: str, body: Tree | None, accept: str, content_type: str) -> tuple[bytes, str]:
        headers = {"Accept": accept, "User-Agent": "fairlead"}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = content_type
        try:
            self._connection.request(method, path, data, headers)
            response = self._connection.getresponse()
            raw = response.read()
        except http.client.HTTPException as e:
            self.close()
            raise ConnectionError(f"the API server closed the connection: {e!r}") from e
        except OSError:
            self.close()
            raise
        if response.status >= 300:
            raise ApiError(response.status, _message(raw))
        return raw, response.getheader("Content-Type", "")

    def get(self, path: str, *, accept: str = "application/json") -> Any:
        return self.call("GET", path, accept=accept)

    def watch(self, path: str) -> Iterator[Tree]:
        """Yields the events of a watch until the server ends it; the first are of all present objects."""
        connection = http.client.HTTPSConnection("127.0.0.1", self._connection.port, context=self._context)
        try:
            connection.request("GET", f"{path}{'&' if '?' in path else '?'}watch=1", headers={"User-Agent": "fairlead"})
            response = connection.getresponse()
            if response.status >= 300:
                raise ApiError(response.status, _message(response.read()))
            while line := response.readline():
                yield json.loads(line)
        except http.client.HTTPException as e:
            raise ConnectionError(f"the API server closed the connection: {e!r}") from e
        finally:
            connection.close()

    def path_of(self, obj: Tree, namespace: str = "default") -> str:
        """Returns the path of the object's collection, by the server's discovery."""
        api_version, kind = obj["apiVersion"], obj["kind"]
        prefix = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        if api_version not in self._resources:
            resources = self.get(prefix)["resources"]
            self._resources[api_version] = {r["kind"]: r for r in resources if "/" not in r["name"]}
        resource = self._resources[api_version].get(kind)
        if resource is None:
            raise ApiError(404, f'no kind "{kind}" in version "{api_version}"')
        inside = f"/namespaces/{obj['metadata'].get('namespace', namespace)}" if resource["namespaced"] else ""
        return f"{prefix}{inside}/{resource['name']}"


def _message(raw: bytes) -> str:
    try:
        return str(json.loads(raw)["message"])
    except (ValueError, KeyError, TypeError):
        return raw.decode(errors="replace").strip()[:500]
