"""The values of control groups, as upstream's kubelet computes them."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.api.core.pod.containers.container import ResourceRequirements
from fairlead.node.cgroups.limits import Limits, limits_of, oom_score_adj
from tests.node.makers import pod

MEMORY = 8 << 30


def amounts(cpu: str = "", memory: str = "") -> dict[str, str | int | float]:
    return {name: amount for name, amount in (("cpu", cpu), ("memory", memory)) if amount}


@pytest.mark.parametrize(
    ("requests", "limits", "expected"),
    [
        (amounts(), amounts(), Limits(2, None, None)),
        (amounts("100m"), amounts("250m", "64Mi"), Limits(102, 25_000, 64 << 20)),
        (amounts(), amounts("2"), Limits(2048, 200_000, None)),
        (amounts("1m"), amounts("1m", "1500"), Limits(2, 1000, 1500)),
    ],
)
def test_requests_and_limits_become_shares_quota_and_bytes(
    requests: dict[str, str | int | float], limits: dict[str, str | int | float], expected: Limits
) -> None:
    assert limits_of(ResourceRequirements(requests=requests, limits=limits)) == expected


def test_shares_become_weights_of_the_second_version() -> None:
    weights = [Limits(shares).cpu_weight for shares in (2, 1024, 262_144)]
    assert weights == [1, 100, 10_000]


def test_the_kernel_kills_first_what_has_requested_least() -> None:
    def score(requests: dict[str, str | int | float], limits: dict[str, str | int | float], **spec: Any) -> int:
        resources = ResourceRequirements(requests=requests, limits=limits)
        made = pod(**spec)
        made.spec.containers[0].resources = resources
        return oom_score_adj(made, made.spec.containers[0], resources, MEMORY)

    assert score({}, {}) == 1000
    assert score(amounts("1", "1Gi"), amounts("1", "1Gi")) == -997
    assert score({}, {}, priority=2_000_001_000) == -997
    assert score(amounts("", "2Gi"), {}) == 750
    assert score(amounts("", "16Gi"), {}) == 3
    assert score(amounts("1m"), {}) == 999
