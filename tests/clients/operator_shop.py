"""An operator by kopf, run by `kopf run`: children, status, a field's changes and an admission handler."""

from __future__ import annotations

import os
from typing import Any

import kopf


@kopf.on.startup(errors=kopf.ErrorsMode.PERMANENT)
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.posting.enabled = False
    settings.persistence.finalizer = "shop.example.com/finalizer"
    settings.admission.server = kopf.WebhookServer(
        host="127.0.0.1",
        addr="127.0.0.1",
        certfile=os.environ["HOOK_CERTIFICATE"],
        pkeyfile=os.environ["HOOK_KEY"],
        cafile=os.environ["HOOK_CERTIFICATE"],
    )
    settings.admission.managed = "shop.example.com"


@kopf.on.validate("shops.example.com")
def check(spec: kopf.Spec, **_: Any) -> None:
    if spec.get("size", 0) > 5:
        raise kopf.AdmissionError("the shop is too large", code=422)


@kopf.on.mutate("shops.example.com")
def fill(patch: kopf.Patch, **_: Any) -> None:
    patch.metadata.labels["checked"] = "yes"


@kopf.on.create("shops.example.com")
def create(spec: kopf.Spec, name: str, patch: kopf.Patch, logger: Any, **_: Any) -> dict[str, Any]:
    patch.status["phase"] = "Open"
    return {"shelves": spec["size"]}


@kopf.on.field("shops.example.com", field="spec.size")
def resize(old: Any, new: Any, patch: kopf.Patch, **_: Any) -> None:
    patch.status["size"] = new


@kopf.on.delete("shops.example.com")
def delete(**_: Any) -> None:
    pass
