"""Refuses Pods that the namespace's level forbids; warns about Pods, templates of Pods, and stricter labels.

Source: upstream's admission plug-in PodSecurity and its texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from fairlead.api.core.namespace.kind import NAMESPACE
from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.pod.spec import PodSpec
from fairlead.api.meta.types import controller_of
from fairlead.apiserver.admission.plugin import AdmissionPlugin, Attributes, Operation
from fairlead.apiserver.admission.podsecurity.levels import PREFIX, Level, Levels, levels_of
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.status import FieldError, internal_error, invalid_object

if TYPE_CHECKING:
    from fairlead.apiserver.admission.podsecurity.texts import Violation

_MOST_PODS = 3000
"""Greatest number of existing Pods that are checked if a namespace becomes stricter."""
_UNCHECKED = frozenset(["attach", "binding", "eviction", "exec", "log", "portforward", "proxy", "status"])
_TEMPLATES: dict[str, Callable[[Any], Any]] = {
    "replicationcontrollers": lambda obj: obj.spec.template,
    "podtemplates": lambda obj: obj.template,
    "replicasets.apps": lambda obj: obj.spec.template,
    "deployments.apps": lambda obj: obj.spec.template,
    "statefulsets.apps": lambda obj: obj.spec.template,
    "daemonsets.apps": lambda obj: obj.spec.template,
    "jobs.batch": lambda obj: obj.spec.template,
    "cronjobs.batch": lambda obj: obj.spec.jobTemplate.spec.template,
}
"""The template of a Pod in an object, by resource."""
_MARK = PREFIX.encode()


class PodSecurity(AdmissionPlugin):
    """Holds Pods to the Pod Security Standards."""

    name = "PodSecurity"

    def __init__(self, resources: Resources) -> None:
        self._namespaces = resources.of(NAMESPACE).cache
        self._pods = resources.of(POD).cache

    def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
        if operation not in ("CREATE", "UPDATE"):
            return False
        if kind is POD:
            return subresource not in _UNCHECKED
        return not subresource and (kind is NAMESPACE or kind.resource in _TEMPLATES)

    async def validate(self, attributes: Attributes) -> None:
        if attributes.kind is NAMESPACE:
            self._check_namespace(attributes)
        elif attributes.kind is POD:
            self._check_pod(attributes)
        else:
            self._check_template(attributes)

    def _levels(self, attributes: Attributes) -> tuple[Levels, list[FieldError]] | None:
        """Returns the levels of the request's namespace; None without labels about them."""
        entry = self._namespaces.get(attributes.namespace)
        if entry is None:
            raise internal_error(f'failed to lookup namespace "{attributes.namespace}"')
        return levels_of(entry.labels) if _MARK in entry.raw else None

    def _check_pod(self, attributes: Attributes) -> None:
        found = self._levels(attributes)
        if found is None or (not found[1] and found[0].privileged):
            attributes.annotate(f"{PREFIX}enforce-policy", str(Level()))
            return
        levels, errors = found
        pod: Pod = attributes.obj
        if attributes.operation == "UPDATE" and not _changes_images(attributes.old.spec, pod.spec):
            return
        attributes.annotate(f"{PREFIX}enforce-policy", str(levels.enforce))
        refusing = _violations(levels.enforce, pod.spec, pod.metadata.annotations)
        self._note(attributes, levels, errors, pod.spec, pod.metadata.annotations, warn=not refusing)
        if refusing:
            raise attributes.denied(f'violates PodSecurity "{levels.enforce}": {_text(refusing)}')

    def _check_template(self, attributes: Attributes) -> None:
        found = self._levels(attributes)
        if found is None:
            return
        levels, errors = found
        if not errors and levels.warn.name == levels.audit.name == "privileged":
            return
        template = _TEMPLATES[attributes.kind.resource](attributes.obj)
        if template is not None:
            metadata = template.metadata
            annotations = metadata.annotations if metadata is not None else {}
            self._note(attributes, levels, errors, template.spec, annotations, warn=True)

    def _note(
        self,
        attributes: Attributes,
        levels: Levels,
        errors: Sequence[FieldError],
        spec: PodSpec,
        annotations: dict[str, str],
        *,
        warn: bool,
    ) -> None:
        """Notes violations in the audit record, and warns about them."""
        if errors:
            texts = [str(error) for error in errors]
            text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
            attributes.annotate(f"{PREFIX}error", f"Failed to parse policy: {text}")
        if noted := _violations(levels.audit, spec, annotations):
            text = f'would violate PodSecurity "{levels.audit}": {_text(noted)}'
            attributes.annotate(f"{PREFIX}audit-violations", text)
        if warn and (warned := _violations(levels.warn, spec, annotations)):
            attributes.warn(f'would violate PodSecurity "{levels.warn}": {_text(warned)}')

    def _check_namespace(self, attributes: Attributes) -> None:
        namespace = attributes.obj
        levels, errors = levels_of(namespace.metadata.labels)
        if attributes.operation == "CREATE":
            if errors:
                raise invalid_object("Namespace", "", namespace.metadata.name, errors)
            return
        before, old_errors = levels_of(attributes.old.metadata.labels)
        if errors and errors != old_errors:
            raise invalid_object("Namespace", "", namespace.metadata.name, errors)
        new, old = levels.enforce, before.enforce
        if new == old or new.name == "privileged" or (new.minor == old.minor and new.strictness <= old.strictness):
            return
        for text in self._about_existing(namespace.metadata.name, new):
            attributes.warn(text)

    def _about_existing(self, namespace: str, level: Level) -> list[str]:
        """Returns warnings about the Pods that a stricter level would refuse."""
        pods = _one_of_each_owner([entry.decode() for entry in self._pods.select(namespace)])
        names: dict[str, list[str]] = {}
        for pod in pods[:_MOST_PODS]:
            if found := _violations(level, pod.spec, pod.metadata.annotations):
                names.setdefault(", ".join(violation.reason for violation in found), []).append(pod.metadata.name)
        texts: list[str] = []
        if len(pods) > _MOST_PODS:
            first = f"the first {_MOST_PODS} of {len(pods)} existing pods"
            texts.append(f"new PodSecurity enforce level only checked against {first}")
        if names:
            head = f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{level}"'
            texts.append(head)
        return [*texts, *sorted(f"{_shown(found)}: {reason}" for reason, found in names.items())]


def _violations(level: Level, spec: PodSpec, annotations: dict[str, str]) -> Sequence[Violation]:
    """Checks a Pod. The checks are loaded for the first Pod that is held to a level."""
    if level.name == "privileged":
        return ()
    from fairlead.apiserver.admission.podsecurity.checks import violations

    return violations(level, spec, annotations)


def _text(found: Sequence[Violation]) -> str:
    return ", ".join(map(str, found))


def _shown(names: list[str]) -> str:
    """Returns the first name, with the number of others."""
    others = len(names) - 1
    if not others:
        return names[0]
    return f"{min(names)} (and {others} other {'pod' if others == 1 else 'pods'})"


def _one_of_each_owner(pods: list[Pod]) -> list[Pod]:
    """Returns the Pods with one of each controller first."""
    first: list[Pod] = []
    later: list[Pod] = []
    seen: set[str] = set()
    for pod in pods:
        owner = controller_of(pod.metadata)
        (later if owner is not None and owner.uid in seen else first).append(pod)
        if owner is not None:
            seen.add(owner.uid)
    return [*first, *later]


def _changes_images(old: PodSpec, new: PodSpec) -> bool:
    """Returns whether an update of a Pod adds a container or changes an image: nothing else that is checked can
    change."""
    from fairlead.apiserver.admission.podsecurity.texts import containers_of

    before = {container.name: container.image for container in containers_of(old)}
    after = {container.name: container.image for container in containers_of(new)}
    return before != after
