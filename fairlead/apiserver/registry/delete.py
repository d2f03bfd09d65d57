"""delete and deletecollection."""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.api.meta.deleteoptions import DeleteOptions
from fairlead.api.meta.deletion import plan_deletion
from fairlead.api.meta.types import ObjectMeta
from fairlead.apiserver.admission.chain import AdmissionChain
from fairlead.apiserver.admission.plugin import Attributes
from fairlead.apiserver.model import RequestContext
from fairlead.apiserver.registry.writer import WriteConflict, Writer
from fairlead.apiserver.serialization.body import read_tree
from fairlead.apiserver.serialization.params import options_error
from fairlead.apiserver.watchcache.cache import Entry
from fairlead.apiserver.watchcache.filter import Filter
from fairlead.apiserver.watchcache.resource import Resource
from fairlead.apiserver.watchcache.target import Target
from fairlead.base.clock import Clock
from fairlead.base.dataclass import dataclass
from fairlead.base.numbers import integer
from fairlead.machinery.kinds.decode import Target as Body
from fairlead.machinery.kinds.decode import decode_tree_as, encode
from fairlead.machinery.values.query import flag
from fairlead.machinery.values.status import FieldError, bad_request, invalid, not_supported
from fairlead.runtime.client import Request

_BODY = Body(DeleteOptions, "DeleteOptions", "v1")
_POLICIES = ("Background", "Foreground", "Orphan")


@dataclass(frozen=True, slots=True)
class Deleted:
    entry: Entry
    removed: bool


class Deleter:
    """Serves delete and deletecollection."""

    def __init__(self, writer: Writer, admission: AdmissionChain, *, clock: Clock) -> None:
        self._writer = writer
        self._admission = admission
        self._clock = clock

    async def delete(
        self, target: Target, options: DeleteOptions, context: RequestContext, *, admitted: bool = False
    ) -> Deleted:
        """Removes the object or marks it as terminating; calls admission unless `admitted`. Raises StatusError 403,
        404, 409."""
        resource = target.resource
        while True:
            entry = resource.find(target.namespace, target.name)
            try:
                return await self._attempt(resource, entry, options, None if admitted else context)
            except WriteConflict:
                continue

    async def delete_all(
        self, resource: Resource, filter: Filter, options: DeleteOptions, context: RequestContext
    ) -> list[Entry]:
        """Deletes every matching object that still exists at its turn."""
        deleted: list[Entry] = []
        for entry in [e for e in resource.cache.select(filter.namespace) if filter.matches(e)]:
            target = Target(resource, entry.namespace, entry.name)
            if resource.cache.get(entry.key) is not None:
                deleted.append((await self.delete(target, options, context)).entry)
        return deleted

    async def _attempt(
        self, resource: Resource, entry: Entry, options: DeleteOptions, context: RequestContext | None
    ) -> Deleted:
        obj, dry_run = entry.decode(), bool(options.dryRun)
        check_preconditions(resource, entry, obj.metadata, options)
        if context is not None and (plugins := self._admission.select("DELETE", resource.kind)) is not None:
            attributes = Attributes(
                operation="DELETE",
                kind=resource.kind,
                namespace=entry.namespace,
                name=entry.name,
                old=obj,
                dry_run=dry_run,
                options=options,
                context=context,
            )
            await plugins.admit(attributes)
            await plugins.validate(attributes)
        plan = plan_deletion(resource.kind, obj, options, now=self._clock.now())
        if plan.remove:
            return Deleted(await self._writer.remove(resource, entry, dry_run=dry_run), removed=True)
        if plan.obj is None:
            return Deleted(entry, removed=False)
        return Deleted(await self._writer.replace(resource, entry, plan.obj, dry_run=dry_run), removed=False)


def delete_response(target: Target, deleted: Deleted) -> bytes:
    """Returns the response's body: the object, or a Status if the object is removed."""
    kind = target.resource.kind
    if not deleted.removed or kind.delete_returns_object:
        return deleted.entry.raw
    details = {"name": target.name, "group": kind.group, "kind": kind.plural}
    details["uid"] = deleted.entry.decode().metadata.uid
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return encode(status | {"details": {k: v for k, v in details.items() if v}})


def read_options(request: Request) -> DeleteOptions:
    """Returns the options from the body, else from the query. Raises StatusError 400, 422."""
    options = _from_body(request) if request.body else _from_query(request.query)
    errors: list[FieldError] = []
    if options.propagationPolicy is not None and options.propagationPolicy not in _POLICIES:
        errors.append(not_supported("propagationPolicy", options.propagationPolicy, _POLICIES))
    if options.propagationPolicy is not None and options.orphanDependents is not None:
        errors.append(
            invalid(
                "propagationPolicy",
                options.propagationPolicy,
                "orphanDependents and deletionPropagation cannot be both set",
            )
        )
    if options.dryRun not in ([], ["All"]):
        errors.append(not_supported("dryRun", options.dryRun, ["All"]))
    if errors:
        raise options_error("DeleteOptions", errors)
    return options


def _from_body(request: Request) -> DeleteOptions:
    tree = read_tree(request, _BODY.schema)
    if isinstance(tree, dict):
        # Clients name the version of the deleted object or that of meta; all have the same meaning.
        tree.pop("apiVersion", None)
    options = decode_tree_as(_BODY, tree, validation="Ignore").obj
    if not options.dryRun and request.query.get("dryRun"):
        options.dryRun = [request.query["dryRun"]]
    return options


def _from_query(query: Mapping[str, str]) -> DeleteOptions:
    options = DeleteOptions(propagationPolicy=query.get("propagationPolicy"))
    if "gracePeriodSeconds" in query:
        try:
            options.gracePeriodSeconds = integer(query["gracePeriodSeconds"])
        except ValueError as e:
            raise bad_request(str(e)) from e
    if "orphanDependents" in query:
        options.orphanDependents = flag(query, "orphanDependents")
    if query.get("dryRun"):
        options.dryRun = [query["dryRun"]]
    return options


def check_preconditions(resource: Resource, entry: Entry, meta: ObjectMeta, options: DeleteOptions) -> None:
    preconditions = options.preconditions
    if preconditions is None:
        return
    for name, asked, actual in (
        ("UID", preconditions.uid, meta.uid),
        ("ResourceVersion", preconditions.resourceVersion, str(entry.revision)),
    ):
        if asked is not None and asked != actual:
            raise resource.conflict(
                entry.name,
                f"Precondition failed: {name} in precondition: {asked}, {name} in object meta: {actual}",
            )
