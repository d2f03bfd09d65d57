"""Writes the host's URLs into an annotation of each Service, one write at a time, and retries until it succeeds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fairlead.api.core.service.kind import SERVICE, Service
from fairlead.base.keys import split_key
from fairlead.base.log import Log
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.client import Client
from fairlead.service.wellknown import HOST_URLS_ANNOTATION

_RETRY_S = 0.5

DesiredUrls = Callable[[str], tuple[Service, str] | None]
"""Returns, by key, the cached Service and the desired text of its annotation (empty: none), or None if it is
deleted."""


class UrlWriter:
    def __init__(self, client: Client, desired: DesiredUrls, *, log: Log) -> None:
        self._client = client
        self._desired = desired
        self._log = log
        self._due: set[str] = set()
        self._wake = asyncio.Event()

    def enqueue(self, key: str) -> None:
        self._due.add(key)
        self._wake.set()

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            due, self._due = sorted(self._due), set()
            for key in due:
                await self._write(key)

    async def _write(self, key: str) -> None:
        desired = self._desired(key)
        if desired is None:
            return
        service, text = desired
        if service.metadata.annotations.get(HOST_URLS_ANNOTATION, "") == text:
            return
        namespace, name = split_key(key)
        meta = {"uid": service.metadata.uid, "annotations": {HOST_URLS_ANNOTATION: text or None}}
        try:
            await self._client.patch(SERVICE, name, namespace, patch={"metadata": meta})
        except StatusError as error:
            if error.code not in (404, 409):
                self._log.warn("cannot note the URLs", service=key, error=error)
        except ConnectionError:
            await asyncio.sleep(_RETRY_S)
            self.enqueue(key)
