"""Roles and bindings: defaults, refusals and columns."""

from __future__ import annotations

from typing import Any

import pytest

from .harness import MERGE, Api, Tree, story

RBAC = "/apis/rbac.authorization.k8s.io/v1"
ROLES = f"{RBAC}/namespaces/default/roles"
ROLE_BINDINGS = f"{RBAC}/namespaces/default/rolebindings"
CLUSTER_ROLES = f"{RBAC}/clusterroles"
CLUSTER_ROLE_BINDINGS = f"{RBAC}/clusterrolebindings"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
GROUP = "rbac.authorization.k8s.io"
PODS: Tree = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}
ALICE: Tree = {"kind": "User", "name": "alice"}


def role(name: str, *rules: Tree, **more: Any) -> Tree:
    return {"metadata": {"name": name}, "rules": list(rules)} | more


def binding(name: str, to: str, *subjects: Tree) -> Tree:
    kind, _, called = to.partition("/")
    return {"metadata": {"name": name}, "roleRef": {"kind": kind, "name": called}, "subjects": list(subjects)}


async def causes(api: Api, path: str, body: Tree) -> list[str]:
    error = await api.error("POST", path, body)
    assert error.code == 422, error
    return [f"{cause['field']}: {cause['message']}" for cause in error.details["causes"]]


@story
async def test_api_groups_of_users_groups_and_the_role_are_filled_in(api: Api) -> None:
    account = {"kind": "ServiceAccount", "name": "a"}
    made = await api.ok("POST", ROLE_BINDINGS, binding("b", "Role/r", ALICE, {"kind": "Group", "name": "g"}, account))
    assert made["roleRef"] == {"apiGroup": GROUP, "kind": "Role", "name": "r"}
    assert [subject.get("apiGroup") for subject in made["subjects"]] == [GROUP, GROUP, None]


@story
async def test_names_may_contain_colons_and_other_characters_of_a_path_segment(api: Api) -> None:
    for path in (ROLES, CLUSTER_ROLES):
        assert (await api.ok("POST", path, role("system:A_b.c:d", PODS)))["metadata"]["name"] == "system:A_b.c:d"
        assert await causes(api, path, role("a%b", PODS)) == [
            "metadata.name: Invalid value: \"a%b\": may not contain '%'"
        ]


BOTH = (
    'nonResourceURLs: Invalid value: ["/healthz"]: rules cannot apply to both regular resources and non-resource URLs'
)
URLS: Tree = {"verbs": ["get"], "nonResourceURLs": ["/healthz"]}


@pytest.mark.parametrize(
    ("rule", "of_role", "of_cluster_role"),
    [
        (
            {"apiGroups": [""], "resources": ["pods"]},
            *[["verbs: Required value: verbs must contain at least one value"]] * 2,
        ),
        (
            {"verbs": ["get"]},
            *[
                [
                    "apiGroups: Required value: resource rules must supply at least one api group",
                    "resources: Required value: resource rules must supply at least one resource",
                ]
            ]
            * 2,
        ),
        (
            URLS,
            ['nonResourceURLs: Invalid value: ["/healthz"]: namespaced rules cannot apply to non-resource URLs'],
            [],
        ),
        (
            URLS | {"resourceNames": ["a"]},
            [
                'nonResourceURLs: Invalid value: ["/healthz"]: namespaced rules cannot apply to non-resource URLs',
                BOTH,
            ],
            [BOTH],
        ),
    ],
)
def test_a_rule_without_a_needed_part_is_refused(rule: Tree, of_role: list[str], of_cluster_role: list[str]) -> None:
    @story
    async def run(api: Api) -> None:
        assert await causes(api, ROLES, role("r", PODS, rule)) == [f"rules[1].{text}" for text in of_role]
        if of_cluster_role:
            assert await causes(api, CLUSTER_ROLES, role("r", rule)) == [f"rules[0].{text}" for text in of_cluster_role]
        else:
            await api.ok("POST", CLUSTER_ROLES, role("r", rule))

    run()


@story
async def test_an_aggregation_rule_needs_a_valid_selector(api: Api) -> None:
    path = "aggregationRule.clusterRoleSelectors"
    assert await causes(api, CLUSTER_ROLES, role("r", aggregationRule={})) == [
        f"{path}: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil"
    ]
    selector = {"matchExpressions": [{"key": "a", "operator": "Near"}]}
    assert await causes(api, CLUSTER_ROLES, role("r", aggregationRule={"clusterRoleSelectors": [selector]})) == [
        f'{path}[0].matchExpressions[0].operator: Invalid value: "Near": not a valid selector operator'
    ]
    found = await api.ok("POST", CLUSTER_ROLES, role("r", aggregationRule={"clusterRoleSelectors": [{}]}))
    assert found["rules"] == []


@story
async def test_a_binding_names_a_role_that_it_can_grant_and_subjects_that_exist_as_kinds(api: Api) -> None:
    assert await causes(api, CLUSTER_ROLE_BINDINGS, binding("b", "Role/r")) == [
        'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"'
    ]
    assert await causes(api, ROLE_BINDINGS, binding("b", "Group/")) == [
        'roleRef.kind: Unsupported value: "Group": supported values: "ClusterRole", "Role"',
        "roleRef.name: Required value",
    ]
    wrong = binding("b", "ClusterRole/a", {"kind": "Role", "name": "x"}, {"kind": "User"}, ALICE | {"apiGroup": "v1"})
    wrong["roleRef"]["apiGroup"] = "apps"
    assert await causes(api, ROLE_BINDINGS, wrong) == [
        f'roleRef.apiGroup: Unsupported value: "apps": supported values: "{GROUP}"',
        'subjects[0].kind: Unsupported value: "Role": supported values: "Group", "ServiceAccount", "User"',
        "subjects[1].name: Required value",
        f'subjects[2].apiGroup: Unsupported value: "v1": supported values: "{GROUP}"',
    ]
    account = {"kind": "ServiceAccount", "name": "A", "apiGroup": GROUP}
    found = await causes(api, CLUSTER_ROLE_BINDINGS, binding("b", "ClusterRole/a", account))
    assert found[0].startswith('subjects[0].name: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of')
    assert found[1:] == [
        f'subjects[0].apiGroup: Unsupported value: "{GROUP}": supported values: ""',
        "subjects[0].namespace: Required value",
    ]


@story
async def test_the_role_of_a_binding_is_immutable(api: Api) -> None:
    for path in (ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS):
        await api.ok("POST", path, binding("b", "ClusterRole/view", ALICE))
        changed = {"roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": "edit"}}
        error = await api.error("PATCH", f"{path}/b", changed, content_type=MERGE)
        shown = f'{{"APIGroup":"{GROUP}","Kind":"ClusterRole","Name":"edit"}}'
        assert [(cause["field"], cause["message"]) for cause in error.details["causes"]] == [
            ("roleRef", f"Invalid value: {shown}: cannot change roleRef")
        ]
        kept = await api.ok("PATCH", f"{path}/b", {"subjects": None}, content_type=MERGE)
        assert "subjects" not in kept


@story
async def test_tables_show_the_time_of_creation_or_the_role_and_the_subjects(api: Api) -> None:
    created = (await api.ok("POST", ROLES, role("r", PODS)))["metadata"]["creationTimestamp"]
    table = await api.ok("GET", f"{ROLES}/r", accept=TABLE)
    assert [(c["name"], c["type"]) for c in table["columnDefinitions"]] == [("Name", "string"), ("Created At", "date")]
    assert table["rows"][0]["cells"] == ["r", created]
    account = {"kind": "ServiceAccount", "name": "a", "namespace": "default"}
    group = {"kind": "Group", "name": "g"}
    await api.ok("POST", ROLE_BINDINGS, binding("b", "Role/r", ALICE, account, group, ALICE | {"name": "bob"}))
    table = await api.ok("GET", f"{ROLE_BINDINGS}/b", accept=TABLE)
    assert [(c["name"], c["priority"]) for c in table["columnDefinitions"]] == [
        ("Name", 0),
        ("Role", 0),
        ("Age", 0),
        ("Users", 1),
        ("Groups", 1),
        ("ServiceAccounts", 1),
    ]
    assert table["rows"][0]["cells"] == ["b", "Role/r", "0s", "alice, bob", "g", "default/a"]
