"""binding: the scheduler's decision about a Pod."""

from __future__ import annotations

from typing import Any

from fairlead.api.core.binding import BINDING
from fairlead.api.core.pod.actions import Binding
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.status import PodCondition
from fairlead.apiserver.admission.chain import AdmissionChain
from fairlead.apiserver.model import Outcome, json_response
from fairlead.apiserver.registry.prepare import NamespacedName, ensure_action_matches
from fairlead.apiserver.registry.subresources.table import Call
from fairlead.apiserver.registry.update import Candidate, Updater
from fairlead.apiserver.serialization.accept import negotiate_form
from fairlead.apiserver.serialization.answers import success
from fairlead.apiserver.serialization.body import read_as
from fairlead.apiserver.serialization.params import write_options
from fairlead.apiserver.watchcache.cache import Entry
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.apiserver.watchcache.target import Target
from fairlead.base.clock import Clock
from fairlead.base.instant import render_time
from fairlead.machinery.kinds.decode import Target as Body
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.status import FieldError, StatusError, bad_request, conflict, invalid_object

_BINDING = Body(Binding, "Binding", "v1")


class BindingSubresource:
    """Serves binding."""

    subresource = ("binding", "Binding")
    any_method = False

    def __init__(self, updater: Updater, admission: AdmissionChain, *, clock: Clock) -> None:
        self._updater = updater
        self._admission = admission
        self._clock = clock

    async def handle(self, call: Call) -> Outcome:
        negotiate_form(call.request.headers.get("accept", ""), tables=False)
        options = write_options(call.request, "CreateOptions")
        sent = read_as(_BINDING, call.request, options.validation).obj
        ensure_action_matches(sent, "Binding", NamespacedName(call.target.namespace, call.target.name))
        attributes = call.attributes("CREATE", sent, dry_run=options.dry_run, options=options)
        await self._admission.admit(attributes)
        binding: Binding = attributes.obj
        _check(binding, call.target.name)
        await self._admission.validate(attributes)
        now = render_time(self._clock.now())

        async def change(entry: Entry) -> Candidate:
            pod: Pod = entry.decode()
            _check_bindable(pod)
            pod.spec.nodeName = binding.target.name
            pod.status.nominatedNodeName = ""
            pod.metadata.annotations.update(binding.metadata.annotations)
            pod.metadata.labels.update(binding.metadata.labels)
            pod.metadata.uid = binding.metadata.uid or pod.metadata.uid
            pod.metadata.resourceVersion = binding.metadata.resourceVersion
            kept = [c for c in pod.status.conditions if c.type != "PodScheduled"]
            scheduled = PodCondition(type="PodScheduled", status="True", lastTransitionTime=now)
            pod.status.conditions = [*kept, scheduled]
            # A binding sets fields that no update may change, and none that a check could refuse.
            return Candidate(pod, admitted=True, final=True)

        await self._updater.update(call.target, change, options, call.context)
        return json_response(success(201), 201)


class PostedBindings:
    """Serves `bindings`: a Binding that names its Pod itself. Implements `Receiver`."""

    kind: Kind[Any] = BINDING

    def __init__(self, resources: Resources, subresource: BindingSubresource) -> None:
        self._pods = resources.of(POD)
        self._subresource = subresource

    async def create(self, call: Call) -> Outcome:
        options = write_options(call.request, "CreateOptions")
        sent: Binding = read_as(_BINDING, call.request, options.validation).obj
        if not sent.metadata.name:
            raise invalid_object("Binding", "", "", [FieldError("metadata.name", "Required", None, "name is required")])
        target = Target(self._pods, call.target.namespace, sent.metadata.name, "binding")
        return await self._subresource.handle(Call(target, call.request, call.context))


def _check(binding: Binding, name: str) -> None:
    if binding.target.kind not in ("", "Node"):
        raise bad_request(f'invalid kind "{binding.target.kind}": must be empty or "Node"')
    if not binding.target.name:
        raise invalid_object("Binding", "", name, [FieldError("target.name", "Required")])


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
