"""The settings of a node, and the conditions that follow from them."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.base.instant import Instant
from fairlead.node.nodestatus.kubeletconfig import SIGNALS, BadKubeletConfig, KubeletConfig, parse_config
from fairlead.node.nodestatus.pressure import Pressure, Signals

KUBEADM: dict[str, Any] = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "cgroupDriver": "systemd",
    "clusterDNS": ["10.96.0.10"],
    "imageMinimumGCAge": "1h2m3.5s",
    "evictionHard": {"memory.available": "5%", "imagefs.available": "15%"},
}


def test_what_kubeadm_writes_is_accepted_and_fields_without_an_effect_are_named() -> None:
    config, ignored = parse_config(KUBEADM)
    assert ignored == ["cgroupDriver", "clusterDNS"]
    assert config.image_minimum_age_s == 3723.5
    assert config.evictionHard == {"memory.available": "5%"}
    assert parse_config({}) == (KubeletConfig(), [])
    logs, _ = parse_config({"containerLogMaxSize": "1Mi", "containerLogMaxFiles": 2, "podPidsLimit": 50})
    assert (logs.log_max_bytes, logs.containerLogMaxFiles, logs.podPidsLimit) == (1 << 20, 2, 50)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"kind": "Pod"}, "kind"),
        ({"imageGCHighThresholdPercent": 101}, "imageGCHighThresholdPercent"),
        ({"imageGCHighThresholdPercent": True}, "imageGCHighThresholdPercent"),
        ({"imageGCLowThresholdPercent": 85}, "imageGCLowThresholdPercent"),
        ({"imageMinimumGCAge": "2 minutes"}, "imageMinimumGCAge"),
        ({"evictionHard": {"memory.available": "much"}}, "evictionHard[memory.available]"),
        ({"evictionHard": []}, "evictionHard"),
        ({"nodeStatusMaxImages": -2}, "nodeStatusMaxImages"),
        ({"containerLogMaxFiles": 1}, "containerLogMaxFiles"),
        ({"containerLogMaxSize": "much"}, "containerLogMaxSize"),
        ({"containerLogMaxSize": "0"}, "containerLogMaxSize"),
        ({"podPidsLimit": "10"}, "podPidsLimit"),
        ({"allowedUnsafeSysctls": "kernel.msgmax"}, "allowedUnsafeSysctls"),
    ],
)
def test_a_mistake_is_named_by_its_path(fields: dict[str, Any], path: str) -> None:
    with pytest.raises(BadKubeletConfig) as caught:
        parse_config(fields)
    assert str(caught.value).startswith(f"{path}: ")


def signals(**available: float) -> Signals:
    names = dict(zip(("memory", "disk", "inodes", "pids"), SIGNALS, strict=True))
    whole = {"memory": 8 << 30, "disk": 100 << 30, "inodes": 1000.0, "pids": 30_000.0}
    left = {name: available.get(name, whole[name]) for name in names}
    return Signals(
        available={names[name]: float(value) for name, value in left.items()},
        capacity={names[name]: float(value) for name, value in whole.items()},
    )


def test_a_node_short_of_something_says_so_for_a_while() -> None:
    config, pressure = KubeletConfig(), Pressure()
    assert pressure.update(config, signals(), Instant(0.0)) == set()
    assert pressure.update(config, signals(memory=50 << 20), Instant(10.0)) == {"MemoryPressure"}
    assert pressure.update(config, signals(inodes=5, pids=100), Instant(20.0)) == {
        "MemoryPressure",
        "DiskPressure",
        "PIDPressure",
    }
    assert pressure.update(config, signals(), Instant(315.0)) == {"DiskPressure", "PIDPressure"}
    assert pressure.update(config, signals(), Instant(400.0)) == set()


def test_a_share_is_one_of_the_capacity() -> None:
    config, _ = parse_config({"evictionHard": {"nodefs.available": "10%"}, "evictionPressureTransitionPeriod": "0"})
    pressure = Pressure()
    assert pressure.update(config, signals(disk=11 << 30, memory=0), Instant(0.0)) == set()
    config, _ = parse_config({"evictionHard": {"nodefs.available": "10%"}})
    assert pressure.update(config, signals(disk=9 << 30), Instant(1.0)) == {"DiskPressure"}
