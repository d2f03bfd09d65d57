"""Services by the thousand over TLS: create, get, list of 2,000 and 10,000, patch, and 50 watchers of 500 updates.

`python -m bench.api_lists [rounds]`. A whole cluster runs meanwhile, as for users: the controllers write two more
objects for every Service, and the proxy follows them.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator

import uvloop

from bench.api import CONNECTIONS, creates, handing_out, measure
from bench.cluster import Access, free_port, fresh_cluster
from bench.load import Result, get, merge_patch, run
from bench.watchers import Tally, watch

SMALL, LARGE = 2000, 10_000
GETS, LISTS, UPDATES, WATCHERS = 10_000, 30, 500, 50


def collection(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/services"


def bare(name: str) -> bytes:
    """A Service without a selector: no controller writes endpoints, so only the API server's cost is measured."""
    return service(name, selector={})


def service(name: str, selector: dict[str, str] | None = None) -> bytes:
    chosen = {"app": name} if selector is None else selector
    spec = {"ports": [{"port": 80, "targetPort": 8080}], "selector": chosen}
    return json.dumps({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}).encode()


def annotation(value: int) -> bytes:
    return json.dumps({"metadata": {"annotations": {"bench": str(value)}}}).encode()


def patches(namespace: str, count: int, value: int) -> Iterator[bytes]:
    return (merge_patch(f"{collection(namespace)}/s{n % SMALL}", annotation(value)) for n in range(count))


def lists(access: Access, namespace: str, *, connections: int) -> Result:
    count = LISTS if connections == 1 else LISTS * 4
    requests = handing_out(get(collection(namespace)) for _ in range(count))
    return uvloop.run(run(access.port, access.tls, requests, connections=connections))


def watched(access: Access, value: int) -> float:
    """Returns the seconds from the first update sent to the last event seen by the last watcher."""

    async def main() -> float:
        revision = access.call("GET", f"{collection('small')}?limit=1")["metadata"]["resourceVersion"]
        tally = Tally(WATCHERS * UPDATES)
        path = f"{collection('small')}?watch=true&resourceVersion={revision}"
        transports = await watch(access.port, access.tls, path, tally, watchers=WATCHERS)
        requests = handing_out(patches("small", UPDATES, value))
        started = time.perf_counter()
        await run(access.port, access.tls, requests, connections=CONNECTIONS)
        await asyncio.wait_for(tally.last.wait(), 60)
        for transport in transports:
            transport.close()
        return tally.finished_at - started

    return uvloop.run(main())


def quiet(access: Access) -> None:
    """Waits until the controllers have caught up, so that their writes do not disturb the next measurement."""
    before = ""
    while True:
        now = access.call("GET", "/apis/discovery.k8s.io/v1/endpointslices?limit=1")["metadata"]["resourceVersion"]
        if now == before:
            return
        before = now
        time.sleep(0.5)


def fill(access: Access, namespace: str, body: Callable[[str], bytes], count: int) -> Result:
    access.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    made = measure(access.port, access.tls, creates(collection(namespace), body, "s", count))
    quiet(access)
    return made


def main(rounds: int = 5) -> None:
    with fresh_cluster("benchlists") as cluster:
        started = cluster.run("up", "--detach", "--nodes", "1", "--api-port", str(free_port()))
        if started.returncode:
            raise SystemExit(started.stdout + started.stderr)
        access = cluster.access()
        port, tls = access.port, access.tls
        print(f"Services over TLS, {CONNECTIONS} connections unless said otherwise")
        say("create 2,000", fill(access, "small", service, SMALL), "2,500/s")
        say("create 2,000 without selector", fill(access, "bare", bare, SMALL), "2,500/s")
        say("get", measure(port, tls, (get(f"{collection('small')}/s7") for _ in range(GETS))), "12,000/s")
        say("patch", measure(port, tls, patches("small", SMALL, -1)))
        quiet(access)
        say("list of 2,000, 1 connection", lists(access, "small", connections=1), "8 ms")
        say("list of 2,000", lists(access, "small", connections=CONNECTIONS))
        times = sorted(watched(access, n) for n in range(rounds))
        last = f"median {statistics.median(times):.2f} s, worst of {rounds} {times[-1]:.2f} s"
        say(f"{WATCHERS} watchers, {UPDATES} updates", last, "0.35 s")
        say("create 10,000", fill(access, "large", service, LARGE))
        say("list of 10,000, 1 connection", lists(access, "large", connections=1))
        say("list of 10,000", lists(access, "large", connections=CONNECTIONS))


def say(what: str, result: Result | str, aim: str = "") -> None:
    if isinstance(result, Result) and result.errors:
        raise SystemExit(f"{what}: {result}")
    print(f"  {what:30s} {result}{f'   (aim: {aim})' if aim else ''}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
