"""A node's settings: upstream's KubeletConfiguration in ConfigMap `kube-system/kubelet-config`. Pure.

kubeadm writes the same ConfigMap. Fields that have an effect here are checked; the others are accepted and named.
Defaults are upstream's, but for `evictionHard`: a share of the disk is too much on a person's machine, whose disk is
often nearly full.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fairlead.base.dataclass import dataclass, field
from fairlead.machinery.values.quantity import parse_quantity

NAMESPACE, NAME, KEY = "kube-system", "kubelet-config", "kubelet"
SIGNALS = ("memory.available", "nodefs.available", "nodefs.inodesFree", "pid.available")
_EVICTION = {"memory.available": "100Mi", "nodefs.available": "1Gi", "nodefs.inodesFree": "1%", "pid.available": "1%"}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class BadKubeletConfig(ValueError):
    """Invalid settings; the text begins with the field's path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeletConfig:
    """The settings that have an effect."""

    imageGCHighThresholdPercent: int = 85
    imageGCLowThresholdPercent: int = 80
    imageMinimumGCAge: str = "2m0s"
    evictionHard: Mapping[str, str] = field(default_factory=lambda: dict(_EVICTION))
    evictionPressureTransitionPeriod: str = "5m0s"
    nodeStatusMaxImages: int = 50
    allowedUnsafeSysctls: tuple[str, ...] = ()
    containerLogMaxSize: str = "10Mi"
    """The size at which a container's log is rotated; of containers that start later, if the setting is changed."""
    containerLogMaxFiles: int = 5
    """The number of files of a container's log, the current one included."""
    podPidsLimit: int = -1
    """The number of processes and threads that a pod may have, if the node may make control groups; -1: unlimited."""

    @property
    def log_max_bytes(self) -> int:
        return int(parse_quantity(self.containerLogMaxSize))

    @property
    def image_minimum_age_s(self) -> float:
        return duration_s("imageMinimumGCAge", self.imageMinimumGCAge)

    @property
    def pressure_s(self) -> float:
        return duration_s("evictionPressureTransitionPeriod", self.evictionPressureTransitionPeriod)


def parse_config(tree: Any) -> tuple[KubeletConfig, list[str]]:
    """Returns the settings, and the names of the fields without an effect. Raises BadKubeletConfig."""
    if not isinstance(tree, dict):
        raise BadKubeletConfig("expected an object of kind KubeletConfiguration")
    given = dict(tree)
    for name, expected in (("kind", "KubeletConfiguration"), ("apiVersion", "kubelet.config.k8s.io/v1beta1")):
        if (found := given.pop(name, expected)) != expected:
            raise BadKubeletConfig(f"{name}: unsupported value {found!r}: expected {expected}")
    known = {name: given.pop(name) for name in KubeletConfig.__slots__ if name in given}
    config = KubeletConfig(**{name: _checked(name, value) for name, value in known.items()})
    if config.imageGCLowThresholdPercent >= config.imageGCHighThresholdPercent:
        raise BadKubeletConfig("imageGCLowThresholdPercent: must be lower than imageGCHighThresholdPercent")
    return config, sorted(given)


def _checked(name: str, value: Any) -> Any:
    match name:
        case "evictionHard":
            return _eviction(value)
        case "allowedUnsafeSysctls":
            if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
                raise BadKubeletConfig(f"{name}: expected a list of names")
            return tuple(value)
        case "containerLogMaxSize":
            return _size(name, value)
        case "imageMinimumGCAge" | "evictionPressureTransitionPeriod":
            duration_s(name, value)
            return value
        case _:
            return _number(name, value)


_RANGES = {"nodeStatusMaxImages": (-1, 1 << 31), "containerLogMaxFiles": (2, 1000), "podPidsLimit": (-1, 1 << 22)}
"""The smallest and the largest numbers; of all other fields 0 and 100 (shares in percent)."""


def _size(name: str, value: Any) -> str:
    try:
        if isinstance(value, str) and parse_quantity(value) >= 1:
            return value
    except ValueError:
        pass
    raise BadKubeletConfig(f"{name}: invalid value {value!r}: expected an amount such as 10Mi")


def _number(name: str, value: Any) -> int:
    least, most = _RANGES.get(name, (0, 100))
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise BadKubeletConfig(f"{name}: invalid value {value!r}: expected a number from {least} to {most}")
    return value


def _eviction(value: Any) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise BadKubeletConfig("evictionHard: expected an object")
    for signal, text in value.items():
        if signal in SIGNALS:
            threshold(text, 100, where=f"evictionHard[{signal}]")
    return {signal: str(text) for signal, text in value.items() if signal in SIGNALS}


def threshold(text: Any, capacity: float, *, where: str = "") -> float:
    """Returns an amount, or a share of the capacity. Raises BadKubeletConfig."""
    try:
        if str(text).endswith("%"):
            return capacity * float(str(text)[:-1]) / 100
        return float(parse_quantity(str(text)))
    except ValueError as error:
        raise BadKubeletConfig(f"{where}: invalid value {text!r}: expected an amount such as 100Mi, or 5%") from error


def duration_s(name: str, text: Any) -> float:
    """Returns the seconds of a duration such as `2m0s`. Raises BadKubeletConfig."""
    parts = _DURATION.findall(text) if isinstance(text, str) else []
    if text != "0" and (not parts or "".join(number + unit for number, unit in parts) != text):
        raise BadKubeletConfig(f"{name}: invalid duration {text!r}: expected a value such as 2m0s")
    return sum(float(number) * _UNIT_S[unit] for number, unit in parts)
