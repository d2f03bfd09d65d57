"""Refuses what would exceed a quota of the namespace, and reserves what it admits until that is written.

Source: upstream's admission plug-in ResourceQuota and its texts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairlead.api.core.pod.kind import POD
from fairlead.apiserver.admission.plugin import AdmissionPlugin, Attributes, Operation
from fairlead.apiserver.admission.quota.ledger import Account, QuotaLedger, exceeded
from fairlead.machinery.kinds.kind import Kind
from fairlead.quota.scopes import is_terminating
from fairlead.quota.totals import ZERO, Amounts, minus, shown
from fairlead.quota.usage import Evaluator, missing_in_containers

_UPDATED = frozenset({("services", ""), ("persistentvolumeclaims", ""), ("pods", ""), ("pods", "resize")})
"""Resources and subresources whose updates may use more; of others only the number counts."""


class ResourceQuotas(AdmissionPlugin):
    """Holds every namespace to its quotas."""

    name = "ResourceQuota"

    def __init__(self, ledger: QuotaLedger) -> None:
        self._ledger = ledger

    def follow(self, changed: Callable[[], None]) -> None:
        self._ledger.switched = changed

    def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
        if self._ledger.empty or self._ledger.evaluator(kind) is None:
            return False
        if operation == "CREATE":
            return not subresource
        return operation == "UPDATE" and not kind.group and (kind.plural, subresource) in _UPDATED

    async def validate(self, attributes: Attributes) -> None:
        evaluator = self._ledger.evaluator(attributes.kind)
        if evaluator is None or _keeps_scope(attributes):
            return
        charges = [
            (account, amounts)
            for account in self._ledger.accounts(attributes.namespace)
            if (amounts := self._charge(account, evaluator, attributes))
        ]
        for account, amounts in charges:
            if names := exceeded(account, amounts):
                raise attributes.denied(_text(account, amounts, names))
        if attributes.dry_run:
            return
        for account, amounts in charges:
            account.reserved[_key(attributes)] = amounts

    def finish(self, attributes: Attributes) -> None:
        self._ledger.release(attributes.namespace, _key(attributes))

    def _charge(self, account: Account, evaluator: Evaluator, attributes: Attributes) -> Amounts:
        """Returns what the request uses in addition. Raises StatusError 403 for a container without a request or
        limit that the quota demands."""
        obj = attributes.obj
        if not evaluator.counts(account.quota, obj):
            return {}
        if attributes.kind is POD and (why := missing_in_containers(obj, evaluator.names(account.hard))):
            raise attributes.denied(f"failed quota: {account.name}: {why}")
        after = self._ledger.usage(account, evaluator, obj)
        before = self._ledger.usage(account, evaluator, attributes.old) if attributes.operation == "UPDATE" else {}
        more = {name: minus(amount, before.get(name, ZERO)) for name, amount in after.items()}
        return {name: amount for name, amount in more.items() if amount.value > 0}


def _key(attributes: Attributes) -> str:
    uid: str = attributes.obj.metadata.uid
    return uid if attributes.operation == "CREATE" else f"{uid}/{id(attributes)}"


def _keeps_scope(attributes: Attributes) -> bool:
    """Returns whether an update of a Pod leaves its use as it is: the resources of a Pod change by `resize` only."""
    if attributes.kind is not POD or attributes.operation != "UPDATE" or attributes.subresource:
        return False
    return is_terminating(attributes.old) == is_terminating(attributes.obj)


def _text(account: Account, amounts: Amounts, names: list[str]) -> str:
    used = account.total()
    parts = (
        ("requested", {name: amounts[name] for name in names}),
        ("used", {name: used[name] for name in names}),
        ("limited", {name: account.hard[name] for name in names}),
    )
    return f"exceeded quota: {account.name}, {', '.join(f'{what}: {shown(found)}' for what, found in parts)}"
