"""Three of the walks in docs/architecture.md are walked: a request, an event and a query call the named functions in
the order of the document. The fourth needs a node: its functions are checked to exist (`test_walks`)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from fairlead.api.core.service.kind import SERVICE
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE
from fairlead.dns.config import Config
from tests.apiserver.harness import SERVICES
from tests.apiserver.harness import service as service_tree
from tests.apiserver.https import make_certificates
from tests.apiserver.test_http import Edge
from tests.apiserver.test_http import run as run_edge
from tests.dns.servers import ours, over_udp
from tests.dns.test_answers import cluster
from tests.dns.test_server import plain
from tests.proxy.objects import endpoint, service, slice_of
from tests.proxy.test_loop import World, scenario, settle
from tests.test_walks import steps_of

ROOT = Path(__file__).parents[1] / "fairlead"

pytestmark = pytest.mark.slow


@contextmanager
def calls(into: list[str]) -> Iterator[None]:
    """Records the functions of fairlead that this thread calls, each at its first call."""
    seen: dict[str, None] = {}

    def record(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(f"{ROOT}/"):
            module = code.co_filename[len(f"{ROOT}/") :].removesuffix(".py")
            seen.setdefault(f"{module}:{code.co_qualname}")

    sys.setprofile(record)
    try:
        yield
    finally:
        sys.setprofile(None)
        into += seen


def in_order(called: list[str], walk: list[str]) -> list[str]:
    """Returns the steps of a walk in the order of their first calls."""
    return [name for name in called if name in walk]


def test_a_service_walks_from_its_post_to_the_store(tmp_path: Path) -> None:
    *walk, update = steps_of("A Service, from POST to the store")
    called: list[str] = []

    async def story(at: Edge) -> None:
        with calls(called):
            async with at.session.post(f"{at.url}{SERVICES}", json=service_tree("walked")) as response:
                assert response.status == 201

    run_edge(make_certificates(tmp_path / "pki"), story)
    assert in_order(called, walk) == walk
    assert update in called


def test_an_event_walks_to_the_rules() -> None:
    *walk, kernel = steps_of("A change of an EndpointSlice, to the kernel")
    called: list[str] = []

    async def body(at: World) -> None:
        await at.api.create(SERVICE, service())
        await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2"))
        await settle()
        piece = await at.api.get(ENDPOINT_SLICE, "web-1", "default")
        piece.endpoints = [endpoint("10.244.1.3")]
        with calls(called):
            await at.api.update(ENDPOINT_SLICE, piece)
            await settle()

    scenario(body)
    scratch = "proxy/nftables/plan:plan_service"  # named as what the incremental plan is equal to
    walk.remove(scratch)
    assert in_order(called, walk) == walk
    assert kernel == "net/nft/run:NftKernel.execute"
    assert "net/nft/fake:FakeNft.execute" in called


def test_a_query_walks_to_its_answer_and_the_next_one_takes_the_short_way() -> None:
    walk = steps_of("A DNS query, to its answer")
    first: list[str] = []
    second: list[str] = []

    async def work() -> None:
        async with ours(Config(upstreams=()), cluster()) as server:
            for called in (first, second):
                with calls(called):
                    await over_udp(server.port, plain(1, "_http._tcp.web.default.svc.cluster.local", "SRV"))

    asyncio.run(work())
    assert in_order(first, walk) == walk
    assert in_order(second, walk) == walk[:2]
