"""Draws how an autoscaler follows a load: docs/autoscaling.svg, from a run of examples/workloads/autoscaling.yaml.

.venv/bin/python -m bench.autoscaling [FILE.svg]

Takes about four minutes. The load is switched on for the middle part of the run.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.cluster import Access, Cluster, fresh_cluster, wait_until
from fairlead.machinery.values.quantity import milli

ROOT = Path(__file__).parents[1]
IDLE_S, LOADED_S, AFTER_S = 25.0, 90.0, 100.0
_DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
_METRICS = "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods"
_WIDTH, _PANEL, _LEFT, _TOP, _GAP = 720, 130, 56, 34, 46


@dataclass(frozen=True)
class Sample:
    """The state at a time in seconds: cores in use by the server's Pods, and their number."""

    at: float
    cores: float
    replicas: int


def sample(access: Access, begin: float) -> Sample:
    server = access.call("GET", f"{_DEPLOYMENTS}/server")
    pods = access.call("GET", f"{_METRICS}?labelSelector=app%3Dserver").get("items") or []
    used = sum(milli(c["usage"]["cpu"]) for pod in pods for c in pod["containers"])
    return Sample(time.monotonic() - begin, used / 1000, server["status"].get("readyReplicas", 0))


def run(cluster: Cluster) -> tuple[list[Sample], float, float]:
    """Returns samples, and the times at which the load began and ended."""
    access = cluster.access()
    kubectl(cluster, "apply", "-f", str(ROOT / "examples/workloads/autoscaling.yaml"))
    wait_until("the server is ready", lambda: sample(access, 0.0).replicas == 1)
    begin = time.monotonic()
    samples: list[Sample] = []

    def watch(seconds: float) -> float:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            samples.append(sample(access, begin))
            time.sleep(1)
        return time.monotonic() - begin

    on = watch(IDLE_S)
    kubectl(cluster, "scale", "deployment", "client", "--replicas=1")
    off = watch(LOADED_S)
    kubectl(cluster, "scale", "deployment", "client", "--replicas=0")
    watch(AFTER_S)
    return samples, on, off


def kubectl(cluster: Cluster, *arguments: str) -> None:
    command = ["kubectl", f"--kubeconfig={cluster.state / 'kubeconfig'}", *arguments]
    subprocess.run(command, check=True, capture_output=True)


def draw(samples: Sequence[Sample], on: float, off: float) -> str:
    """Returns the picture: the load above, the number of Pods below, over the same time."""
    last = max(s.at for s in samples)

    def x(at: float) -> float:
        return round(_LEFT + (_WIDTH - _LEFT - 16) * at / last, 1)

    height = _TOP + 2 * _PANEL + _GAP + 40
    bottom = _TOP + 2 * _PANEL + _GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
        ' font-family="sans-serif" font-size="12" fill="#333">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        f'<rect x="{x(on)}" y="{_TOP}" width="{x(off) - x(on):.1f}" height="{2 * _PANEL + _GAP}" fill="#f3f0e7"/>',
        f'<text x="{x(on) + 6}" y="{_TOP + 14}" fill="#8a7a4a">client on</text>',
    ]
    cores = [(s.at, s.cores) for s in samples]
    replicas = steps([(s.at, float(s.replicas)) for s in samples])
    parts += panel(_TOP, "CPU of all server Pods, cores", cores, "#c2553a", x)
    parts += panel(_TOP + _PANEL + _GAP, "ready server Pods", replicas, "#2f6f9f", x)
    for second in range(0, int(last) + 1, 30):
        parts.append(f'<text x="{x(second)}" y="{bottom + 18}" text-anchor="middle">{second}</text>')
    parts += [f'<text x="{_WIDTH - 16}" y="{bottom + 34}" text-anchor="end">seconds</text>', "</svg>"]
    return "\n".join(parts) + "\n"


def panel(
    top: float, title: str, points: Sequence[tuple[float, float]], colour: str, x: Callable[[float], float]
) -> list[str]:
    most = max(1, int(max(value for _, value in points) + 0.999))

    def y(value: float) -> float:
        return round(top + _PANEL - _PANEL * value / most, 1)

    parts = [f'<text x="{_LEFT}" y="{top - 8}" font-weight="bold">{title}</text>']
    for tick in range(most + 1):
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - 16}" y1="{y(tick)}" y2="{y(tick)}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y(tick) + 4}" text-anchor="end">{tick}</text>')
    path = " ".join(f"{x(at)},{y(value)}" for at, value in points)
    parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
    return parts


def steps(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Returns the points of a line that keeps its value until the next sample."""
    found: list[tuple[float, float]] = []
    for at, value in points:
        if found and found[-1][1] != value:
            found.append((at, found[-1][1]))
        found.append((at, value))
    return found


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/autoscaling.svg"
    with fresh_cluster("bench-hpa") as cluster:
        started: Any = cluster.run("up", "--nodes", "2", "--detach", "--registries", "none")
        if started.returncode:
            raise SystemExit(started.stderr)
        target.write_text(draw(*run(cluster)))


if __name__ == "__main__":
    main()
