"""The objects that every cluster has, and a start without them."""

from __future__ import annotations

import asyncio

from .harness import CONFIG_MAPS, SERVICES, start

CIDRS = "/apis/networking.k8s.io/v1/servicecidrs"


def test_a_server_starts_even_if_it_cannot_make_the_kubernetes_service_again() -> None:
    """Deletes every usable ServiceCIDR, so that the Service cannot get its address."""

    async def main() -> None:
        first = await start()
        await first.ok("POST", SERVICES, {"metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}})
        await first.ok("DELETE", f"{CIDRS}/kubernetes")
        await first.ok("DELETE", f"{SERVICES}/kubernetes")
        await first.server.stop()
        second = await start(first.store)
        try:
            assert (await second.error("GET", f"{SERVICES}/kubernetes")).code == 404
            await second.ok("POST", CONFIG_MAPS, {"metadata": {"name": "a"}})
        finally:
            await second.server.stop()

    asyncio.run(main())
