"""The cluster's own catalogue of host images: ConfigMap `kube-system/fairlead-images`, key `images.toml`.

Read when a container starts, at most once in some seconds: a watch would cost each node a connection for an object
that most clusters lack.
"""

from __future__ import annotations

from fairlead.api.core.configmap.kind import CONFIG_MAP
from fairlead.base.clock import Clock
from fairlead.machinery.values.status import StatusError
from fairlead.node.images.catalogue import CatalogueText
from fairlead.runtime.client import Client

NAMESPACE, NAME, KEY = "kube-system", "fairlead-images", "images.toml"
_FRESH_S = 3.0


class ClusterCatalogue:
    def __init__(self, text: CatalogueText, client: Client, *, clock: Clock) -> None:
        self._text = text
        self._client = client
        self._clock = clock
        self._read_at = float("-inf")

    async def refresh(self) -> None:
        """Reads the ConfigMap, unless that was done just now. Without an answer the last text stays."""
        now = self._clock.monotonic()
        if now < self._read_at + _FRESH_S:
            return
        self._read_at = now
        try:
            found = await self._client.get(CONFIG_MAP, NAME, NAMESPACE)
        except ConnectionError:
            return
        except StatusError as error:
            if error.code in (403, 404):  # 403: a cluster whose roles are older than this ConfigMap
                self._text.update("")
            return
        self._text.update(found.data.get(KEY, ""))
