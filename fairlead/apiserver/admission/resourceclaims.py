"""Refuses administrative access to devices and writes of a claim's status that the user may not make.

Source: upstream's `AuthorizedForAdmin`, `AuthorizedForBinding` and `AuthorizedForDeviceStatus`, which its registry
calls beside the checks of claims.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from fairlead.api.core.namespace.kind import NAMESPACE
from fairlead.api.resource.resourceclaim import RESOURCE_CLAIM
from fairlead.api.resource.resourceclaimtemplate import RESOURCE_CLAIM_TEMPLATE
from fairlead.apiserver.admission.plugin import AdmissionPlugin, Attributes, Operation
from fairlead.apiserver.auth.authorization import Authorizer, refusal
from fairlead.apiserver.requestinfo import RequestInfo
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.status import FieldError, StatusError, forbidden, invalid_object

if TYPE_CHECKING:
    from fairlead.api.resource.resourceclaim.types import AllocationResult, ResourceClaim, ResourceClaimStatus

ADMIN_LABEL = "resource.kubernetes.io/admin-access"
"""Label with the value `true` on namespaces in which claims may have administrative access to devices."""
_NODE = "authentication.kubernetes.io/node-name"
_ACCOUNT = "system:serviceaccount:"


class ResourceClaimAccess(AdmissionPlugin):
    """Checks new claims and templates, and writes of `status`."""

    name = "ResourceClaimAccess"

    def __init__(self, resources: Resources, authorizer: Authorizer) -> None:
        self._namespaces = resources.of(NAMESPACE).cache
        self._authorizer = authorizer

    def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
        if operation == "CREATE":
            return kind in (RESOURCE_CLAIM, RESOURCE_CLAIM_TEMPLATE) and not subresource
        return operation == "UPDATE" and kind is RESOURCE_CLAIM and subresource == "status"

    async def validate(self, attributes: Attributes) -> None:
        obj = attributes.obj
        if attributes.subresource:
            errors = [error async for error in self._status_errors(attributes)]
        else:
            spec = obj.spec if attributes.kind is RESOURCE_CLAIM else obj.spec.spec
            asked = (one.exactly is not None and bool(one.exactly.adminAccess) for one in spec.devices.requests)
            path = "spec.devices.requests[{}].adminAccess"
            errors = list(self._admin_errors(attributes.namespace, list(asked), path))
        if errors:
            kind = attributes.kind
            raise invalid_object(kind.kind, kind.group, obj.metadata.name, errors)

    def _admin_errors(self, namespace: str, asked: list[bool], path: str) -> Iterator[FieldError]:
        """Yields an error for the first request for administrative access, if the namespace does not allow it."""
        if True not in asked:
            return
        entry = self._namespaces.get(namespace)
        if entry is None or entry.labels.get(ADMIN_LABEL) != "true":
            text = f"admin access to devices requires the `{ADMIN_LABEL}: true` label on the containing namespace"
            yield forbidden(path.format(asked.index(True)), text)

    async def _status_errors(self, attributes: Attributes) -> AsyncIterator[FieldError]:
        old: ResourceClaim = attributes.old
        new: ResourceClaim = attributes.obj
        if True not in _admin_results(old.status.allocation):
            path = "status.allocation.devices.results[{}].adminAccess"
            for error in self._admin_errors(attributes.namespace, _admin_results(new.status.allocation), path):
                yield error
        before, after = old.status, new.status
        if (before.allocation, before.reservedFor) != (after.allocation, after.reservedFor):
            verb = attributes.context.info.verb
            if refused := await self._refusal(attributes, verb, "binding"):
                text = "changing status.allocation or status.reservedFor requires"
                yield forbidden(
                    "status.allocation",
                    f'{text} resource="resourceclaims/binding", verb="{verb}" permission: {refused}',
                )
        if after.allocation is not None:
            for driver in sorted(_changed_drivers(before, after)):
                async for error in self._driver_errors(attributes, driver, after.allocation):
                    yield error

    async def _driver_errors(
        self, attributes: Attributes, driver: str, allocation: AllocationResult
    ) -> AsyncIterator[FieldError]:
        verb = attributes.context.info.verb
        verbs = [f"arbitrary-node:{verb}"]
        if _is_on_node(attributes, allocation):
            verbs.insert(0, f"associated-node:{verb}")
        namespace = attributes.namespace
        refusals = [await self._refusal(attributes, one, "driver", namespace=namespace, name=driver) for one in verbs]
        if all(refusals):
            text = f'changing status.devices requires resource="resourceclaims/driver", verb="[{" ".join(verbs)}]"'
            yield forbidden("status.devices", f"{text} permission: {refusals[0]}")

    async def _refusal(
        self, attributes: Attributes, verb: str, subresource: str, *, namespace: str = "", name: str = ""
    ) -> StatusError | None:
        """Returns the error if the user lacks a right to a part of the status."""
        kind = attributes.kind
        info = RequestInfo(
            method="",
            path="",
            verb=verb,
            is_resource_request=True,
            api_group=kind.group,
            api_version=kind.version,
            namespace=namespace,
            resource=kind.plural,
            subresource=subresource,
            name=name,
        )
        decision = await self._authorizer.authorize(attributes.user, info)
        return None if decision.allowed else refusal(attributes.user, info, decision.reason)


def _admin_results(allocation: AllocationResult | None) -> list[bool]:
    return [bool(result.adminAccess) for result in allocation.devices.results] if allocation is not None else []


def _changed_drivers(old: ResourceClaimStatus, new: ResourceClaimStatus) -> set[str]:
    """Returns the drivers of the devices whose states were added, changed or removed."""
    return {one.driver for one in old.devices if one not in new.devices} | {
        one.driver for one in new.devices if one not in old.devices
    }


def _is_on_node(attributes: Attributes, allocation: AllocationResult) -> bool:
    """Returns whether the user is a service account of a pod on the only node of the allocation."""
    terms = allocation.nodeSelector.nodeSelectorTerms if allocation.nodeSelector is not None else []
    if len(terms) != 1 or terms[0].matchExpressions or len(terms[0].matchFields) != 1:
        return False
    need, user = terms[0].matchFields[0], attributes.user
    if (need.key, need.operator) != ("metadata.name", "In") or not user.name.startswith(_ACCOUNT):
        return False
    return need.values == list(user.extra.get(_NODE, ())) and len(need.values) == 1
