"""CustomResourceDefinition: names and approval of new ones, and what may change."""

from __future__ import annotations

import pytest

from fairlead.api.apiextensions.customresourcedefinition import CUSTOM_RESOURCE_DEFINITION
from fairlead.machinery.values.status import FieldError
from tests.api.objects import Tree, created, updated
from tests.api.test_custom_resource_definitions import PRESERVE, crd, version


def creation(tree: Tree) -> list[str]:
    """Returns the errors that only a new definition has."""
    errors = CUSTOM_RESOURCE_DEFINITION.create_rules(created(CUSTOM_RESOURCE_DEFINITION, tree))
    return [str(error) for error in errors]


def named(name: str, tree: Tree, **annotations: str) -> Tree:
    return tree | {"metadata": {"name": name, "annotations": annotations}}


APPROVAL = "api-approved.kubernetes.io"
SEE = "see https://github.com/kubernetes/enhancements/pull/1111"


@pytest.mark.parametrize(
    ("tree", "errors"),
    [
        (crd(), []),
        (
            named("taxis.example.com", crd()),
            [
                'metadata.name: Invalid value: "taxis.example.com": must be spec.names.plural+"."+spec.group',
            ],
        ),
        (
            crd(preserveUnknownFields=True),
            [
                "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set "
                f"{PRESERVE} to true in spec.versions[*].schema instead"
            ],
        ),
        (
            named("cabs.x.k8s.io", crd(group="x.k8s.io")),
            [
                f"metadata.annotations[{APPROVAL}]: Required value: protected groups must have approval annotation "
                f'"{APPROVAL}", {SEE}'
            ],
        ),
        (
            named("cabs.x.k8s.io", crd(group="x.k8s.io"), **{APPROVAL: "yes"}),
            [
                f'metadata.annotations[{APPROVAL}]: Invalid value: "yes": protected groups must have approval '
                f'annotation "{APPROVAL}" with either a URL or a reason starting with "unapproved", {SEE}'
            ],
        ),
        (named("cabs.x.k8s.io", crd(group="x.k8s.io"), **{APPROVAL: "unapproved, for a test"}), []),
        (named("cabs.x.k8s.io", crd(group="x.k8s.io"), **{APPROVAL: "https://example.com/approved"}), []),
    ],
)
def test_new_definitions_are_named_after_their_kind_and_approved(tree: Tree, errors: list[str]) -> None:
    assert creation(tree) == errors


def changes(old: Tree, new: Tree) -> list[str]:
    before = created(CUSTOM_RESOURCE_DEFINITION, old)
    before.status.conditions = list(before.status.conditions)
    after = updated(CUSTOM_RESOURCE_DEFINITION, old, new)
    found: list[FieldError] = list(CUSTOM_RESOURCE_DEFINITION.transition(before, after))
    return [str(error) for error in found]


def test_group_and_plural_never_change_and_versions_with_objects_stay() -> None:
    renamed = crd(names={"plural": "taxis", "kind": "Cab"})
    assert changes(crd(), renamed) == ['spec.names.plural: Invalid value: "taxis": field is immutable']
    assert changes(crd(), crd(group="example.org")) == ['spec.group: Invalid value: "example.org": field is immutable']
    assert changes(crd(), crd(version(name="v2"))) == [
        'status.storedVersions[0]: Invalid value: "v1": missing from spec.versions; v1 was previously a storage '
        "version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v1 "
        "and removes v1 from status.storedVersions"
    ]
