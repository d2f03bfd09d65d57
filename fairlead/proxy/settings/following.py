"""Watches the inputs of a node's proxies beside Services: the cluster's settings, and the ranges of cluster IPs.

Settings are in ConfigMap `kube-system/kube-proxy`, and each valid version is applied at once. An invalid version
leaves the last valid one in force, and an event on the ConfigMap names the faults. Without a ConfigMap the defaults
of the start are in force."""

from __future__ import annotations

from collections.abc import Callable

from fairlead.api.core.configmap.kind import CONFIG_MAP, ConfigMap
from fairlead.api.networking.servicecidr.kind import SERVICE_CIDR, ServiceCIDR
from fairlead.base.log import Log
from fairlead.proxy.settings.config import KEY, NAME, NAMESPACE, BadProxyConfig, ProxyConfig, parse_config
from fairlead.runtime.events import Recorder
from fairlead.runtime.informer import InformerSet


class ConfigFollower:
    def __init__(
        self, apply: Callable[[ProxyConfig], object], *, default: ProxyConfig, recorder: Recorder, log: Log
    ) -> None:
        self._apply = apply
        self._default = default
        self._recorder = recorder
        self._log = log
        self._text: str | None = None

    def follow(self, informers: InformerSet) -> None:
        """Registers the handler. Call this before the informers run."""
        fields = f"metadata.namespace={NAMESPACE},metadata.name={NAME}"
        informers.of(CONFIG_MAP, fields=fields).add_handler(self._changed)

    def _changed(self, _: str, __: ConfigMap | None, new: ConfigMap | None) -> None:
        if new is None or KEY not in new.data:
            self._text = None
            self._apply(self._default)
            return
        text = new.data[KEY]
        if text == self._text:
            return
        self._text = text
        try:
            config = parse_config(text)
        except BadProxyConfig as error:
            self._log.warn("invalid settings: the old ones stay in force", error=error)
            self._recorder.event(new, "Warning", "InvalidConfiguration", f"{KEY}: {error}; the old settings stay")
            return
        self._apply(config)


class RangeFollower:
    """Reports the ranges of cluster IPs, in order, from the API's ServiceCIDRs."""

    def __init__(self, apply: Callable[[list[str]], object]) -> None:
        self._apply = apply
        self._ranges: dict[str, list[str]] = {}

    def follow(self, informers: InformerSet) -> None:
        """Registers the handler. Call this before the informers run."""
        informers.of(SERVICE_CIDR).add_handler(self._changed)

    def _changed(self, key: str, _: ServiceCIDR | None, new: ServiceCIDR | None) -> None:
        self._ranges.pop(key, None)
        if new is not None:
            self._ranges[key] = new.spec.cidrs
        self._apply(sorted({cidr for cidrs in self._ranges.values() for cidr in cidrs}))
