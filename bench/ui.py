"""Time until the page can be used in Chromium, at 1,000 Services and 2,000 Pods.

Each figure is measured in the page, from the start of its navigation with an empty cache until its rows are there and
a filter that was typed has changed them. Blocked: the longest time without a reaction to the user meanwhile.

    python -m bench.ui [ROUNDS]
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import uvloop
from playwright.sync_api import sync_playwright

from bench.cluster import FAIRLEAD, Access, Cluster, free_port, fresh_cluster
from bench.load import post, run

SERVICES, PODS_OF_EACH = 1000, 2
CONNECTIONS = 8
# Notes the time at which the view has its data, and the longest task of the page until then.
_WATCH = """
window.longest = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.longest = Math.max(window.longest, entry.duration);
}).observe({ type: "longtask", buffered: true });
const timer = setInterval(() => {
  const view = document.getElementById("view");
  if (view?.dataset.ready !== "yes") return;
  clearInterval(timer);
  const search = view.querySelector("input[type=search]");
  const before = view.querySelector("[role=status]").textContent;
  search.value = "%s";
  search.dispatchEvent(new Event("input"));
  const changed = () => view.querySelector("[role=status]").textContent !== before;
  const note = () => { document.documentElement.dataset.usable = performance.now(); };
  const poll = () => requestAnimationFrame(changed() ? note : poll);
  poll();
}, 1);
"""
VIEWS = {"services": "svc-0077", "pods": "pod-0077-1", "topology": "svc-0077"}


def objects() -> Iterator[bytes]:
    """Yields requests: Services without selectors, their slices, and Pods that no scheduler binds."""
    for number in range(SERVICES):
        name = f"svc-{number:04}"
        yield _post(
            "/api/v1/namespaces/default/services", {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}}
        )
        pods = [f"pod-{number:04}-{index}" for index in range(PODS_OF_EACH)]
        for pod in pods:
            spec = {"schedulerName": "none", "containers": [{"name": "web", "image": "nginx"}]}
            yield _post(
                "/api/v1/namespaces/default/pods", {"metadata": {"name": pod, "labels": {"app": name}}, "spec": spec}
            )
        ends = [
            {
                "addresses": [f"10.244.{1 + number // 120}.{2 + number % 120 * 2 + index}"],
                "conditions": {"ready": True},
                "targetRef": {"kind": "Pod", "name": pod, "namespace": "default"},
            }
            for index, pod in enumerate(pods)
        ]
        piece = {
            "metadata": {"name": f"{name}-1", "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "ports": [{"port": 80}],
            "endpoints": ends,
        }
        yield _post("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", piece)


def _post(path: str, tree: dict[str, Any]) -> bytes:
    return post(path, msgspec.json.encode(tree))


@contextmanager
def page_url(cluster: Cluster) -> Iterator[str]:
    command = [*FAIRLEAD, "ui", "--name", cluster.name, "--print"]
    process = subprocess.Popen(command, env=cluster.environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate()


def measure(browser: Any, url: str, rounds: int) -> None:
    origin = url.partition("/ui/")[0]
    context = browser.new_context()
    page = context.new_page()
    page.goto(url)
    page.wait_for_url(f"{origin}/ui/")
    state = context.storage_state()
    context.close()
    for view, word in VIEWS.items():
        times, longest = [], []
        for _ in range(rounds):
            fresh = browser.new_context(storage_state=state)
            page = fresh.new_page()
            page.add_init_script(_WATCH % word)
            page.goto(f"{origin}/ui/#/{view}")
            usable = page.wait_for_selector("html[data-usable]", state="attached", timeout=60_000)
            times.append(float(usable.get_attribute("data-usable")))
            longest.append(page.evaluate("window.longest"))
            fresh.close()
        print(
            f"  {view:10s} usable after {statistics.median(times):5.0f} ms (worst of {rounds}: {max(times):.0f}), "
            f"blocked at most {max(longest):.0f} ms",
            flush=True,
        )


def fill(access: Access) -> None:
    requests = objects()
    result = uvloop.run(run(access.port, access.tls, lambda: next(requests, None), connections=CONNECTIONS))
    if result.errors:
        raise SystemExit(f"cannot fill the cluster: {result}")


def main(rounds: int = 5) -> None:
    program = shutil.which("chromium") or sys.exit("no chromium on this machine")
    with fresh_cluster("benchui") as cluster:
        started = cluster.run("up", "--detach", "--nodes", "2", "--api-port", str(free_port()))
        if started.returncode:
            raise SystemExit(started.stdout + started.stderr)
        fill(cluster.access())
        print(f"The page at {SERVICES} Services and {SERVICES * PODS_OF_EACH} Pods (aim: 1 s)")
        with page_url(cluster) as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            measure(browser, url, rounds)
            browser.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
