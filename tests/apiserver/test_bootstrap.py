"""The objects that every cluster has, and a start without them."""

from __future__ import annotations

import asyncio

from fairlead.machinery.kinds.checks import check, check_metadata

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


def test_the_objects_of_a_new_cluster_pass_the_checks_that_their_creation_leaves_out() -> None:
    async def main() -> None:
        api = await start()
        try:
            found = {}
            for resource in api.server._resources:
                for entry in resource.cache.select():
                    obj, kind = entry.decode(), resource.kind
                    errors = [*check_metadata(kind, obj.metadata), *check(kind, obj), *kind.create_rules(obj)]
                    found[f"{kind.plural} {obj.metadata.name}"] = errors
            assert {"namespaces default", "services kubernetes", "servicecidrs kubernetes"} <= found.keys()
            assert not [f"{name}: {errors}" for name, errors in found.items() if errors]
        finally:
            await api.server.stop()

    asyncio.run(main())


def test_the_objects_of_a_new_cluster_are_as_admission_would_make_them() -> None:
    """Deletes the Service, which the server then makes in the usual way."""

    async def main() -> None:
        api = await start()
        try:
            first = await api.ok("GET", f"{SERVICES}/kubernetes")
            await api.ok("DELETE", f"{SERVICES}/kubernetes")
            background = api.server._background
            await background.bootstrap.ensure(background._base.settings, first["spec"]["clusterIP"])
            second = await api.ok("GET", f"{SERVICES}/kubernetes")
            for own in ("uid", "resourceVersion", "creationTimestamp"):
                assert first["metadata"].pop(own)
                assert second["metadata"].pop(own)
            assert first == second
        finally:
            await api.server.stop()

    asyncio.run(main())
