"""Feeds the cleaner with requests; each comes up again when it is due."""

from __future__ import annotations

from fairlead.controllers.certificates.requests import Requests
from fairlead.controllers.context import Context
from fairlead.runtime.loop import Controller, planned
from fairlead.runtime.plan import Plan


def controller(context: Context) -> Controller:
    return _Cleaner(context).controller


class _Cleaner:
    def __init__(self, context: Context) -> None:
        self._clock = context.clock
        applier = context.applier("certificate-controller")
        self.controller = Controller("csrcleaner", context.queue(), planned(self._reconcile, applier), workers=1)
        self._requests = Requests(context, self.controller.queue.add)

    def _reconcile(self, key: str) -> Plan | None:
        from fairlead.api.certificates.certificatesigningrequest.request import ends_at
        from fairlead.controllers.certificates.cleaning.plan import reconcile

        found = self._requests.get(key)
        if found is None:
            return None
        ends = ends_at(found.status.certificate) if found.status.certificate else None
        return reconcile(found, ends, now=self._clock.now())
