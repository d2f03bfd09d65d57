"""The subresources that are forms of writing: scale, binding, eviction, finalize, token."""

from __future__ import annotations

from collections.abc import Callable

from fairlead.api.autoscaling.scale import Scale, ScaleSpec, ScaleStatus
from fairlead.api.core.namespace.kind import Namespace
from fairlead.api.core.pod.actions import Binding, Eviction
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.status import PodCondition
from fairlead.api.meta.deleteoptions import DeleteOptions
from fairlead.apiserver.registry.apply import Applier, read_config
from fairlead.apiserver.registry.delete import Deleter
from fairlead.apiserver.registry.patch import Patch, is_apply
from fairlead.apiserver.registry.update import Candidate, Change, Updater
from fairlead.apiserver.serialization.body import read_as, read_object
from fairlead.apiserver.serialization.params import WriteOptions
from fairlead.apiserver.watchcache.cache import Entry
from fairlead.apiserver.watchcache.target import Target
from fairlead.base.clock import Clock
from fairlead.base.instant import render_time
from fairlead.machinery.checks import check_struct
from fairlead.machinery.decode import Target as Body
from fairlead.machinery.decode import decode_tree_as, encode, to_tree
from fairlead.machinery.selectors import from_label_selector, from_map, render
from fairlead.machinery.status import FieldError, StatusError, bad_request, conflict, invalid, invalid_object
from fairlead.runtime.client import Request

SCALE = Body(Scale, "Scale", "autoscaling/v1")
_BINDING = Body(Binding, "Binding", "v1")
_EVICTION = Body(Eviction, "Eviction", "policy/v1")


def scale_of(entry: Entry) -> Scale:
    """The Scale of a Deployment, ReplicaSet or ReplicationController (whose selector is a plain map)."""
    obj = entry.decode()
    meta = obj.metadata
    scale = Scale(kind="Scale", apiVersion="autoscaling/v1")
    for name in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp"):
        setattr(scale.metadata, name, getattr(meta, name))
    scale.spec = ScaleSpec(replicas=obj.spec.replicas if obj.spec.replicas is not None else 1)
    selector = obj.spec.selector
    wanted = from_map(selector) if isinstance(selector, dict) else from_label_selector(selector)
    scale.status = ScaleStatus(replicas=obj.status.replicas or 0, selector=render(wanted))
    return scale


class Subresources:
    def __init__(self, updater: Updater, deleter: Deleter, applier: Applier, *, clock: Clock) -> None:
        self._updater = updater
        self._applier = applier
        self._deleter = deleter
        self._clock = clock

    async def scale(self, target: Target, request: Request, options: WriteOptions) -> tuple[bytes, list[str]]:
        """PUT and PATCH of `scale`."""
        parent = Target(target.resource, target.namespace, target.name)
        if is_apply(request):
            entry, warnings = await self._updater.update(parent, self._applied_scale(target, request, options), options)
            return encode(scale_of(entry)), warnings
        read: Callable[[Entry], Scale]
        if request.method == "PATCH":
            patch = Patch(request, SCALE.schema, options.validation)

            def read(entry: Entry) -> Scale:
                return patch.decode(SCALE, patch.apply(to_tree(scale_of(entry)))).obj
        else:

            def read(entry: Entry) -> Scale:
                return read_as(SCALE, request, options.validation).obj

        def change(entry: Entry) -> Candidate:
            scale = read(entry)
            _check_scale(scale, target.name)
            obj = entry.decode()
            obj.metadata.resourceVersion = scale.metadata.resourceVersion
            obj.metadata.uid = scale.metadata.uid or obj.metadata.uid
            obj.spec.replicas = scale.spec.replicas
            return Candidate(obj, through="scale")

        entry, warnings = await self._updater.update(parent, change, options)
        return encode(scale_of(entry)), warnings

    def _applied_scale(self, target: Target, request: Request, options: WriteOptions) -> Change:
        """A Scale is applied as what it is of its parent: the number of replicas."""
        tree, _ = read_config(request.body, options)
        scale = decode_tree_as(SCALE, tree, validation=options.validation).obj
        _check_scale(scale, target.name)
        given = tree.get("spec")
        replicas = {"replicas": scale.spec.replicas} if isinstance(given, dict) and "replicas" in given else {}
        metadata = {"resourceVersion": scale.metadata.resourceVersion} if scale.metadata.resourceVersion else {}
        config = {"metadata": metadata, "spec": replicas}
        return self._applier.change(target.resource.kind, config, options, through="scale")

    async def bind(self, target: Target, request: Request, options: WriteOptions) -> bytes:
        """POST of `pods/binding`: the scheduler's decision."""
        binding = read_as(_BINDING, request, options.validation).obj
        node = binding.target.name
        if binding.target.kind not in ("", "Node"):
            raise bad_request(f'invalid kind "{binding.target.kind}": must be empty or "Node"')
        if not node:
            errors = [FieldError("target.name", "Required")]
            raise invalid_object("Binding", "", target.name, errors)
        now = render_time(self._clock.now())

        def change(entry: Entry) -> Candidate:
            pod: Pod = entry.decode()
            _check_bindable(pod)
            pod.spec.nodeName = node
            pod.metadata.annotations.update(binding.metadata.annotations)
            pod.metadata.uid = binding.metadata.uid or pod.metadata.uid
            kept = [c for c in pod.status.conditions if c.type != "PodScheduled"]
            scheduled = PodCondition(type="PodScheduled", status="True", lastTransitionTime=now)
            pod.status.conditions = [*kept, scheduled]
            return Candidate(pod)

        await self._updater.update(Target(target.resource, target.namespace, target.name, "binding"), change, options)
        return success(201)

    async def evict(self, target: Target, request: Request) -> bytes:
        """POST of `pods/eviction`: a delete that may be refused; nothing here refuses yet."""
        eviction = read_as(_EVICTION, request).obj
        await self._deleter.delete(
            Target(target.resource, target.namespace, target.name), eviction.deleteOptions or DeleteOptions()
        )
        return success(201)

    async def finalize(self, target: Target, request: Request, options: WriteOptions) -> tuple[Entry, list[str]]:
        """PUT of `namespaces/finalize`: whoever emptied the namespace takes its finalizer away."""

        def change(entry: Entry) -> Candidate:
            wanted = read_object(target.resource.kind, request, options.validation).obj
            namespace: Namespace = entry.decode()
            namespace.metadata.resourceVersion = wanted.metadata.resourceVersion
            namespace.spec.finalizers = wanted.spec.finalizers
            return Candidate(namespace)

        return await self._updater.update(target, change, options)


def success(code: int) -> bytes:
    return encode({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": code})


def _check_scale(scale: Scale, name: str) -> None:
    errors = list(check_struct(scale.spec, "spec"))
    if scale.spec.replicas < 0:
        errors.append(invalid("spec.replicas", scale.spec.replicas, "must be greater than or equal to 0"))
    if errors:
        raise invalid_object("Scale", "autoscaling", name, errors)


def _check_bindable(pod: Pod) -> None:
    name = pod.metadata.name
    if pod.metadata.deletionTimestamp is not None:
        raise _not_bindable(name, f"pod {name} is being deleted, cannot be assigned to a host")
    if pod.spec.nodeName:
        raise _not_bindable(name, f'pod {name} is already assigned to node "{pod.spec.nodeName}"')
    if pod.spec.schedulingGates:
        raise _not_bindable(name, f"pod {name} has non-empty .spec.schedulingGates")


def _not_bindable(name: str, why: str) -> StatusError:
    return conflict("pods/binding", "", name, why)
