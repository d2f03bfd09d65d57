"""Keeps ConfigMap `kube-system/kube-proxy` present, and writes the mode into it that a start of the cluster
requested.

All other content is the user's. Each start requests its mode once: `ASKED` names the start, so that a restarted
control plane does not undo later changes."""

from __future__ import annotations

import asyncio

from fairlead.api.core.configmap.kind import CONFIG_MAP, ConfigMap
from fairlead.api.meta.types import ObjectMeta
from fairlead.base.log import Log
from fairlead.machinery.values.status import StatusError
from fairlead.proxy.settings.config import KEY, NAME, NAMESPACE, default_text, with_mode
from fairlead.proxy.settings.modes import DEFAULT_MODE, Mode
from fairlead.runtime.client import Client

ASKED = "fairlead.dev/proxy-mode-asked-by"
_RETRY_S = 1.0
_TRIES = 30


async def apply(client: Client, *, mode: Mode | None, start: str, log: Log) -> None:
    """Writes the `mode` that the start named `start` requested. Retries for a while if the server refuses."""
    for _ in range(_TRIES):
        try:
            await _apply(client, mode, start)
            return
        except StatusError as error:
            log.warn("cannot write the proxy's settings", error=error)
        await asyncio.sleep(_RETRY_S)


async def _apply(client: Client, mode: Mode | None, start: str) -> None:
    try:
        config_map = await client.get(CONFIG_MAP, NAME, NAMESPACE)
    except StatusError as error:
        if error.code != 404:
            raise
        meta = ObjectMeta(name=NAME, namespace=NAMESPACE, labels={"k8s-app": NAME})
        if mode is not None:
            meta.annotations[ASKED] = start
        await client.create(CONFIG_MAP, ConfigMap(metadata=meta, data={KEY: default_text(mode or DEFAULT_MODE)}))
        return
    if mode is None or config_map.metadata.annotations.get(ASKED) == start:
        return
    config_map.metadata.annotations = {**config_map.metadata.annotations, ASKED: start}
    config_map.data = {**config_map.data, KEY: with_mode(config_map.data, mode)}
    await client.update(CONFIG_MAP, config_map)
