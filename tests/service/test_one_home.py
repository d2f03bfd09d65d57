"""Nothing outside `fairlead/service` and the predicates of its API decides what a Service means."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2] / "fairlead"
HOMES = (ROOT / "service", ROOT / "api" / "core" / "service")
_DECISION = re.compile(r"conditions\.(ready|serving) (is|==|!=) |\bclusterIP (==|!=|in|not in) ")
"""Comparisons by which an endpoint is ready, or a Service headless."""


def test_readiness_of_endpoints_and_cluster_ips_are_compared_at_home_only() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in ROOT.rglob("*.py")
        if not any(path.is_relative_to(home) for home in HOMES)
        for line in path.read_text(encoding="utf-8").splitlines()
        if _DECISION.search(line)
    }
    assert found == set()


def test_the_check_finds_a_decision() -> None:
    for line in ("if e.conditions.ready is not False", 'service.spec.clusterIP != "None"'):
        assert _DECISION.search(line), line
