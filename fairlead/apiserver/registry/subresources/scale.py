"""scale: the number of replicas of a Deployment, ReplicaSet or ReplicationController, in the same form for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairlead.api.autoscaling.scale import Scale, ScaleSpec, ScaleStatus
from fairlead.apiserver.admission.chain import AdmissionChain
from fairlead.apiserver.model import Outcome, json_response
from fairlead.apiserver.registry.apply import Applier, read_config
from fairlead.apiserver.registry.patch import Patch, is_apply
from fairlead.apiserver.registry.prepare import NamespacedName, ensure_name_matches
from fairlead.apiserver.registry.subresources.table import Call
from fairlead.apiserver.registry.update import Candidate, Change, Updater
from fairlead.apiserver.serialization.body import read_as
from fairlead.apiserver.serialization.params import WriteOptions, write_options
from fairlead.apiserver.watchcache.cache import Entry
from fairlead.machinery.kinds.checks import check_struct
from fairlead.machinery.kinds.decode import Target as Body
from fairlead.machinery.kinds.decode import decode_tree_as, encode, to_tree
from fairlead.machinery.values.status import invalid, invalid_object

SCALE = Body(Scale, "Scale", "autoscaling/v1")


class ScaleSubresource:
    """Serves scale."""

    subresource = ("scale", "Scale")
    any_method = False

    def __init__(self, updater: Updater, applier: Applier, admission: AdmissionChain) -> None:
        self._updater = updater
        self._applier = applier
        self._admission = admission

    async def handle(self, call: Call) -> Outcome:
        target, request = call.target, call.request
        if call.context.info.verb == "get":
            return json_response(encode(scale_of(target.resource.find(target.namespace, target.name))))
        applies = is_apply(request)
        name = "PatchOptions" if request.method == "PATCH" else "UpdateOptions"
        options = write_options(request, name, applies=applies)
        change = self._applied(call, options) if applies else self._change(call, options)
        entry = await self._updater.update(call.parent, change, options, call.context)
        return json_response(encode(scale_of(entry)))

    def _change(self, call: Call, options: WriteOptions) -> Change:
        """Returns the body of an update or a patch as a change of the parent object."""
        request = call.request
        read: Callable[[Entry], Scale]
        if request.method == "PATCH":
            patch = Patch(request, SCALE.schema, options.validation)

            def read(entry: Entry) -> Scale:
                return patch.decode(SCALE, patch.apply(to_tree(scale_of(entry)))).obj
        else:

            def read(entry: Entry) -> Scale:
                return read_as(SCALE, request, options.validation).obj

        async def change(entry: Entry) -> Candidate:
            scale = await self._admitted(call, read(entry), entry, options)
            obj = entry.decode()
            obj.metadata.resourceVersion = scale.metadata.resourceVersion
            obj.metadata.uid = scale.metadata.uid or obj.metadata.uid
            call.target.resource.kind.scale_fields.write(obj, scale.spec.replicas)
            return Candidate(obj, through="scale", admitted=True)

        return change

    def _applied(self, call: Call, options: WriteOptions) -> Change:
        """Returns an applied Scale as an apply of the parent's number of replicas."""
        tree, _ = read_config(call.request.body, options)
        given = tree.get("spec")
        says = isinstance(given, dict) and "replicas" in given

        async def change(entry: Entry) -> Candidate:
            sent = decode_tree_as(SCALE, tree, validation=options.validation).obj
            before = sent.spec.replicas
            scale = await self._admitted(call, sent, entry, options)
            kind, version = call.target.resource.kind, scale.metadata.resourceVersion
            config: dict[str, Any] = {"metadata": {"resourceVersion": version} if version else {}}
            *above, last = kind.scale_fields.path
            inner = config
            for name in above:
                inner = inner.setdefault(name, {})
            if says or scale.spec.replicas != before:
                inner[last] = scale.spec.replicas
            candidate = await self._applier.change(kind, config, options, through="scale")(entry)
            candidate.admitted = True
            return candidate

        return change

    async def _admitted(self, call: Call, scale: Scale, entry: Entry, options: WriteOptions) -> Scale:
        """Returns the Scale after admission. Raises StatusError 400, 403, 422."""
        ensure_name_matches(scale, NamespacedName(call.target.namespace, call.target.name))
        attributes = call.attributes("UPDATE", scale, old=scale_of(entry), dry_run=options.dry_run, options=options)
        await self._admission.admit(attributes)
        _check(attributes.obj, call.target.name)
        await self._admission.validate(attributes)
        admitted: Scale = attributes.obj
        return admitted


def scale_of(entry: Entry) -> Scale:
    """Returns the Scale of an object."""
    obj, fields = entry.decode(), entry.form.kind.scale_fields
    meta = obj.metadata
    scale = Scale(kind="Scale", apiVersion="autoscaling/v1")
    for name in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp"):
        setattr(scale.metadata, name, getattr(meta, name))
    scale.spec = ScaleSpec(replicas=fields.replicas(obj))
    scale.status = ScaleStatus(replicas=fields.current(obj), selector=fields.selector(obj))
    return scale


def _check(scale: Scale, name: str) -> None:
    errors = list(check_struct(scale.spec, "spec"))
    if scale.spec.replicas < 0:
        errors.append(invalid("spec.replicas", scale.spec.replicas, "must be greater than or equal to 0"))
    if errors:
        raise invalid_object("Scale", "autoscaling", name, errors)
