"""Sends the requests to a server and checks every answer against the guarantees for clients."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgspec
import yaml

from fairlead.api.kinds import KINDS, built_in
from fairlead.apiserver.model import Forward, Upgrade
from fairlead.apiserver.server import ApiServer
from fairlead.base.clock import FakeClock
from fairlead.base.ids import RandomIds
from fairlead.base.log import Log
from fairlead.runtime.client import Request, Response
from fairlead.store.memory import MemoryStore
from tests.apiserver.harness import handle, settings
from tests.fuzz.requests import Requests

REFUSALS = frozenset({400, 403, 404, 405, 406, 409, 410, 413, 415, 422, 503, 504})
_NEW_WITH_VERSION = b"resourceVersion should not be set on objects to be created"
"""The one refusal that upstream answers by 500."""
_BY_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def _decoded(response: Response) -> Any:
    """Returns the body as a tree; None for one in protobuf, of which only the head is read."""
    kind = response.headers.get("content-type", "")
    if "protobuf" in kind:
        if not response.body.startswith(b"k8s\0"):
            raise msgspec.DecodeError("not in protobuf")
        return None
    return yaml.safe_load(response.body) if "yaml" in kind else msgspec.json.decode(response.body)


@dataclass
class Fuzz:
    """One server under test. `problems` must stay empty."""

    seed: int
    statuses: Counter[int] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    async def run(self, count: int) -> None:
        self.store = MemoryStore()
        self.server = await self.started()
        try:
            for namespace in ("other",):
                body = msgspec.json.encode({"metadata": {"name": namespace}})
                await self.send(Request("POST", "/api/v1/namespaces", {}, {"content-type": "application/json"}, body))
            requests = Requests(random.Random(self.seed))
            for number in range(count):
                await self.check(requests.next(), number)
                if number % 500 == 499:
                    await self.check_everything_reads(f"after {number + 1} requests")
        finally:
            await self.server.stop()
        await self.check_restart()

    async def started(self) -> ApiServer:
        clock, rng = FakeClock(), random.Random(self.seed)
        log = Log("", clock=clock, write=self.problems.append, level="error")
        server = ApiServer(
            self.store, scheme=built_in(), settings=settings(), clock=clock, rng=rng, ids=RandomIds(rng), log=log
        )
        await server.start()
        return server

    async def send(self, request: Request) -> Response | None:
        """Returns the response; None for an answer without an end."""
        outcome = await handle(self.server, request)
        if isinstance(outcome, Response):
            return outcome
        if not isinstance(outcome, Upgrade | Forward):
            outcome.close()
        return None

    async def check(self, request: Request, number: int) -> None:
        response = await self.send(request)
        if response is None:
            self.statuses[200] += 1
            return
        self.statuses[response.status] += 1
        wrong = self.wrong(response)
        if wrong:
            self.problem(f"{wrong}: {response.status} {response.body[:300]!r}", request, number)
        elif response.status in (200, 201) and request.method in ("POST", "PUT", "PATCH") and not request.query:
            await self.check_written(response, request, number)

    def wrong(self, response: Response) -> str:
        try:
            status = _decoded(response)
        except (msgspec.DecodeError, yaml.YAMLError) as e:
            return f"an answer that cannot be read ({e})"
        if response.status in (200, 201, 202):
            return ""
        if response.status not in REFUSALS and not (response.status == 500 and _NEW_WITH_VERSION in response.body):
            return "an unexpected status"
        if status is None:
            return "" if b"Status" in response.body else "a refusal that is no Status"
        good = status.get("kind") == "Status" and status.get("code") == response.status and status.get("message")
        return "" if good else "a refusal that is no clear Status"

    async def check_written(self, response: Response, request: Request, number: int) -> None:
        """Checks that an accepted object is stored, and is accepted again unchanged."""
        tree = _decoded(response)
        kind = None if tree is None else next((k for k in KINDS if k.kind == tree.get("kind")), None)
        if kind is None:
            return
        meta = tree["metadata"]
        path = kind.path(meta.get("namespace", ""), meta["name"])
        found = await self.send(Request("GET", path, {}, {}))
        if found is not None and found.status == 404 and "deletionTimestamp" in meta:
            return  # the write took the last finalizer away
        if found is None or found.status != 200 or msgspec.json.decode(found.body) != tree:
            self.problem(f"what was written reads differently: {found and found.body[:300]!r}", request, number)
            return
        strict = {"dryRun": "All", "fieldValidation": "Strict"}
        again = await self.send(Request("PUT", path, strict, {"content-type": "application/json"}, found.body))
        if again is None or again.status != 200:
            self.problem(
                f"what was written is refused when written again: {again and again.body[:500]!r}", request, number
            )

    async def check_everything_reads(self, when: str) -> None:
        for kind in (k for k in KINDS if "list" in k.verbs):
            for accept in ("application/json", _BY_TABLE):
                answer = await self.send(Request("GET", kind.path(), {}, {"accept": accept}))
                if answer is None or answer.status != 200:
                    self.problems.append(f"{when}: listing {kind.plural} as {accept}: {answer and answer.body[:300]!r}")
                elif accept == "application/json":
                    tree: dict[str, Any] = msgspec.json.decode(answer.body)
                    for item in tree["items"]:
                        whole = {**item, "kind": kind.kind, "apiVersion": kind.api_version}
                        msgspec.json.decode(msgspec.json.encode(whole), type=kind.type)

    async def check_restart(self) -> None:
        """Checks that another server can read the objects that this one has stored."""
        self.server = await self.started()
        await self.check_everything_reads("after a restart")
        await self.server.stop()

    def problem(self, what: str, request: Request, number: int) -> None:
        self.problems.append(
            f"seed {self.seed}, request {number}: {what}\n  {request.method} {request.path!r} {request.query} "
            f"{dict(request.headers)}\n  {request.body[:1500]!r}"
        )
