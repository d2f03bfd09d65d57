"""Adds the StorageClass `standard`, the default class, to a cluster without it.

A user who does not want it as the default sets its annotation to `false`; a deleted class comes back at the next start.
It binds at once and not with the first pod: all nodes reach every directory, so there is nothing to wait for.
"""

from __future__ import annotations

import asyncio
import json

from fairlead.base.log import Log
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.client import Client
from fairlead.storage.wellknown import PROVISIONER, STANDARD_CLASS

_PATH = "/apis/storage.k8s.io/v1/storageclasses"
_CLASS = {
    "kind": "StorageClass",
    "apiVersion": "storage.k8s.io/v1",
    "metadata": {
        "name": STANDARD_CLASS,
        "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
    },
    "provisioner": PROVISIONER,
    "reclaimPolicy": "Delete",
    "volumeBindingMode": "Immediate",
    "allowVolumeExpansion": True,
}
_RETRY_S = 1.0
_TRIES = 30


async def apply(client: Client, *, log: Log) -> None:
    """Creates the class if it is missing. Retries for a while if the server refuses."""
    for _ in range(_TRIES):
        try:
            await client.raw("POST", _PATH, body=json.dumps(_CLASS).encode())
        except StatusError as error:
            if error.code == 409:
                return
            log.warn("cannot create the default storage class", error=error)
        except ConnectionError:
            pass
        else:
            return
        await asyncio.sleep(_RETRY_S)
