"""Writes the results of checking types into the status of new and changed validating policies.

Source: upstream's controller validatingadmissionpolicy-status.
"""

from __future__ import annotations

import asyncio

from fairlead.api.admissionregistration.validatingadmissionpolicy import VALIDATING_ADMISSION_POLICY
from fairlead.apiserver.model import internal
from fairlead.apiserver.registry.update import Candidate, Updater
from fairlead.apiserver.serialization.params import WriteOptions
from fairlead.apiserver.watchcache.cache import Entry
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.apiserver.watchcache.target import Target
from fairlead.machinery.kinds.scheme import Scheme
from fairlead.machinery.values.status import StatusError


class PolicyStatus:
    """Keeps the status of validating policies."""

    def __init__(self, resources: Resources, scheme: Scheme, updater: Updater) -> None:
        self._policies = resources.of(VALIDATING_ADMISSION_POLICY)
        self._scheme = scheme
        self._updater = updater
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Checks each policy once per generation. Runs until cancelled."""
        self._policies.cache.listeners[self] = lambda _: self._wake.set()
        while True:
            self._wake.clear()
            for entry in self._policies.cache.select():
                await self._sync(entry)
            await self._wake.wait()

    async def _sync(self, entry: Entry) -> None:
        policy = entry.decode()
        if policy.status.observedGeneration >= policy.metadata.generation:
            return
        from fairlead.api.admissionregistration.validatingadmissionpolicy.kind import TypeChecking
        from fairlead.apiserver.admission.policies.typechecking import expression_warnings

        checked = TypeChecking(expressionWarnings=expression_warnings(policy, self._scheme))

        async def change(current: Entry) -> Candidate:
            found = current.decode()
            found.status.observedGeneration = policy.metadata.generation
            found.status.typeChecking = checked
            return Candidate(found)

        try:
            target = Target(self._policies, "", entry.name, "status")
            await self._updater.update(target, change, WriteOptions(), internal())
        except StatusError as error:
            if error.code not in (404, 409):
                raise
