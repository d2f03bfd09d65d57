"""Admission policies: expressions in CEL that refuse, warn, annotate and change."""

from __future__ import annotations

import asyncio
from typing import Any

from fairlead.apiserver.admission.plugin import AdmissionPlugin, Attributes, Operation
from fairlead.apiserver.extensions import Extensions
from fairlead.apiserver.model import User
from fairlead.machinery.kinds.kind import Kind

from .harness import CONFIG_MAPS, DEPLOYMENTS, MERGE, PODS, Api, Tree, config_map, deployment, pod, start, story
from .test_admission_registration import (
    BINDINGS,
    MUTATING,
    MUTATING_BINDINGS,
    MUTATING_POLICIES,
    POLICIES,
    VALIDATING,
    binding,
    causes,
    configuration,
    mutating_policy,
    policy,
    webhook,
)
from .test_webhooks import NAMESPACES, allow, asked, hook, labelling

OF_MAPS = {"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}
OF_DEPLOYMENTS = {"operations": ["*"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}
IS_DENIED = "configmaps \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: "


def matching(*rules: Tree, **more: Any) -> Tree:
    return {"resourceRules": list(rules or (OF_MAPS,))} | more


async def bound(api: Api, *, how: Tree | None = None, rules: tuple[Tree, ...] = (OF_MAPS,), **spec: Any) -> None:
    """Makes a policy with one binding; `how` is what the binding says besides."""
    await api.ok("POST", POLICIES, policy("p", matchConstraints=matching(*rules), **spec))
    await api.ok("POST", BINDINGS, binding("b", **(how or {})))


def valid(expression: str, **more: Any) -> list[Tree]:
    return [{"expression": expression} | more]


async def replaced(api: Api, path: str, body: Tree) -> None:
    """Replaces an object of a kind whose updates must name the version that they replace."""
    path = f"{path}/{body['metadata']['name']}"
    version = (await api.ok("GET", path))["metadata"]["resourceVersion"]
    await api.ok("PUT", path, body | {"metadata": body["metadata"] | {"resourceVersion": version}})


@story
async def test_a_false_expression_refuses_the_request_in_upstreams_words(api: Api) -> None:
    await bound(api, validations=valid("'a' in object.data"))
    await api.ok("POST", CONFIG_MAPS, config_map("good", a="1"))
    error = await api.error("POST", CONFIG_MAPS, config_map("x", b="1"))
    assert (error.code, error.reason) == (422, "Invalid")
    assert error.message == f"{IS_DENIED}failed expression: 'a' in object.data"
    assert error.details["causes"] == [
        {"message": error.message.removeprefix('configmaps "x" is forbidden: ')},
    ]


@story
async def test_messages_and_reasons_are_those_of_the_policy(api: Api) -> None:
    validations = [
        {"expression": "object.metadata.name != 'x'", "message": "no x", "reason": "Forbidden"},
        {"expression": "false", "messageExpression": "'not ' + object.metadata.name + ' but ' + string(1 + 1)"},
    ]
    await bound(api, validations=validations)
    error = await api.error("POST", CONFIG_MAPS, config_map("x"))
    assert (error.code, error.reason, error.message) == (403, "Forbidden", f"{IS_DENIED}no x")
    error = await api.error("POST", CONFIG_MAPS, config_map("y"))
    assert error.message.endswith("denied request: not y but 2")


@story
async def test_expressions_see_objects_request_namespace_variables_and_rights(api: Api) -> None:
    variables = [
        {"name": "size", "expression": "size(object.data)"},
        {"name": "grown", "expression": "oldObject == null ? variables.size : variables.size - size(oldObject.data)"},
    ]
    expressions = [
        "request.operation in ['CREATE', 'UPDATE'] && request.userInfo.username == 'system:apiserver'",
        "request.resource.resource == 'configmaps' && request.namespace == 'default'",
        "namespaceObject.metadata.name == 'default'",
        "namespaceObject.metadata.creationTimestamp < timestamp('2100-01-01T00:00:00Z')",
        "variables.grown <= 1",
        "authorizer.group('').resource('pods').namespace('default').check('create').allowed()",
        "authorizer.requestResource.check('delete').allowed()",
        "!authorizer.serviceAccount('default', 'default').group('').resource('secrets').check('get').allowed()",
    ]
    await bound(api, validations=[{"expression": text} for text in expressions], variables=variables)
    await api.ok("POST", CONFIG_MAPS, config_map("x", a="1"))
    error = await api.error("PUT", f"{CONFIG_MAPS}/x", config_map("x", a="1", b="2", c="3"))
    assert error.message == f"{IS_DENIED}failed expression: variables.grown <= 1"


@story
async def test_only_bound_policies_are_in_force(api: Api) -> None:
    await api.ok("POST", POLICIES, policy("p", matchConstraints=matching(), validations=valid("false")))
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    await api.ok("POST", BINDINGS, binding("b"))
    await api.error("POST", CONFIG_MAPS, config_map("x"))
    await api.ok("DELETE", f"{BINDINGS}/b")
    await api.ok("POST", CONFIG_MAPS, config_map("x"))


@story
async def test_a_binding_can_warn_and_annotate_instead(api: Api) -> None:
    noted: list[dict[str, str]] = []

    class Recorder(AdmissionPlugin):
        name = "Recorder"

        def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
            return kind.plural == "configmaps"

        async def validate(self, attributes: Attributes) -> None:
            noted.append(attributes.context.annotations)

    recorded = await start(extensions=Extensions(plugins=(Recorder(),)))
    try:
        annotations = [
            {"key": "k", "valueExpression": "string(object.metadata.name)"},
            {"key": "n", "valueExpression": "null"},
        ]
        how = {"validationActions": ["Warn", "Audit"]}
        await bound(recorded, how=how, validations=valid("false", message="no"), auditAnnotations=annotations)
        response = await recorded.call("POST", CONFIG_MAPS, config_map("x"))
    finally:
        await recorded.server.stop()
    assert response.status == 201
    text = "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': no"
    assert response.headers["warning"] == f'299 - "{text}"'
    assert noted[-1] == {
        "validation.policy.admission.k8s.io/validation_failure": (
            '[{"message":"no","policy":"p","binding":"b","expressionIndex":0,"validationActions":["Warn","Audit"]}]'
        ),
        "p/k": "x",
    }


@story
async def test_errors_count_by_the_failure_policy(api: Api) -> None:
    validations = valid("object.data.missing == '1'")
    await bound(api, validations=validations)
    error = await api.error("POST", CONFIG_MAPS, config_map("x", a="1"))
    why = "expression 'object.data.missing == '1'' resulted in error: no such key: missing"
    assert error.message == f"{IS_DENIED}{why}"
    await replaced(
        api, POLICIES, policy("p", matchConstraints=matching(), validations=validations, failurePolicy="Ignore")
    )
    await api.ok("POST", CONFIG_MAPS, config_map("x", a="1"))


@story
async def test_an_expression_without_bounds_is_stopped(api: Api) -> None:
    numbers = "[0,1,2,3,4,5,6,7,8,9]"
    loops = "true"
    for name in "abcdef":
        loops = f"{numbers}.all({name}, {loops})"
    await bound(api, validations=valid(loops))
    error = await api.error("POST", CONFIG_MAPS, config_map("x"))
    assert error.message.endswith("resulted in error: operation cancelled: actual cost limit exceeded")


@story
async def test_constraints_excludes_names_and_selectors_restrict_a_policy(api: Api) -> None:
    await api.ok("POST", NAMESPACES, {"metadata": {"name": "prod", "labels": {"env": "prod"}}})
    constraints = matching(
        OF_MAPS | {"operations": ["CREATE"]},
        excludeResourceRules=[OF_MAPS | {"resourceNames": ["spared"]}],
        namespaceSelector={"matchLabels": {"env": "prod"}},
        objectSelector={"matchLabels": {"a": "b"}},
    )
    await api.ok("POST", POLICIES, policy("p", matchConstraints=constraints, validations=valid("false")))
    await api.ok("POST", BINDINGS, binding("b"))
    maps = f"{NAMESPACES}/prod/configmaps"
    await api.error("POST", maps, config_map("x", {"a": "b"}))
    await api.ok("POST", maps, config_map("x"))
    await api.ok("POST", maps, config_map("spared", {"a": "b"}))
    await api.ok("POST", CONFIG_MAPS, config_map("x", {"a": "b"}))
    await api.ok("PUT", f"{maps}/spared", config_map("spared", {"a": "b"}))


@story
async def test_a_binding_restricts_its_policy_further(api: Api) -> None:
    resources = {"objectSelector": {"matchLabels": {"team": "a"}}}
    await bound(api, how={"matchResources": resources}, validations=valid("false"))
    await api.ok("POST", CONFIG_MAPS, config_map("x"))
    await api.error("POST", CONFIG_MAPS, config_map("y", {"team": "a"}))


@story
async def test_match_conditions_skip_requests(api: Api) -> None:
    conditions = [{"name": "not-x", "expression": "object.metadata.name != 'x'"}]
    await bound(api, validations=valid("false"), matchConditions=conditions)
    await api.ok("POST", CONFIG_MAPS, config_map("x"))
    await api.error("POST", CONFIG_MAPS, config_map("y"))


@story
async def test_parameters_come_from_a_name_or_a_selector(api: Api) -> None:
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    ref = {"name": "limit", "parameterNotFoundAction": "Deny"}
    await bound(
        api,
        how={"paramRef": ref},
        rules=(OF_DEPLOYMENTS,),
        paramKind=kind,
        validations=valid("object.spec.replicas <= int(params.data.most)"),
    )
    error = await api.error("POST", DEPLOYMENTS, deployment("d", 2))
    text = "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"
    assert error.message.endswith(f"denied request: {text}")
    await api.ok("POST", CONFIG_MAPS, config_map("limit", most="3"))
    await api.ok("POST", DEPLOYMENTS, deployment("d", 2))
    await api.error("POST", DEPLOYMENTS, deployment("e", 4))
    selector = {"selector": {"matchLabels": {"limit": "yes"}}, "parameterNotFoundAction": "Allow"}
    await replaced(api, BINDINGS, binding("b", paramRef=selector))
    await api.ok("POST", DEPLOYMENTS, deployment("e", 4))
    for name, most in (("l1", "5"), ("l2", "3")):
        await api.ok("POST", CONFIG_MAPS, config_map(name, {"limit": "yes"}, most=most))
    await api.error("POST", DEPLOYMENTS, deployment("f", 4))


@story
async def test_an_unknown_kind_of_parameters_is_a_failure(api: Api) -> None:
    ref = {"name": "x", "parameterNotFoundAction": "Allow"}
    await bound(
        api, how={"paramRef": ref}, paramKind={"apiVersion": "a.com/v1", "kind": "None"}, validations=valid("true")
    )
    error = await api.error("POST", CONFIG_MAPS, config_map("x"))
    assert error.message.endswith("failed to find resource referenced by paramKind: 'a.com/v1, Kind=None'")


@story
async def test_expressions_are_compiled_when_the_policy_is_written(api: Api) -> None:
    async def refused(**spec: Any) -> tuple[str, str]:
        ((field, text),) = causes(await api.error("POST", POLICIES, policy("q", **spec)))
        return field, text

    field, text = await refused(validations=valid("object.x = 1"))
    assert field == "spec.validations[0].expression"
    assert text.startswith('Invalid value: "object.x = 1": compilation failed: ERROR: <input>:1:10: Syntax error')
    assert await refused(validations=valid("1 + 1")) == (
        "spec.validations[0].expression",
        'Invalid value: "1 + 1": must evaluate to bool but got int',
    )
    assert (await refused(validations=valid("params.x == 1")))[1].startswith(
        "Invalid value: \"params.x == 1\": compilation failed: ERROR: <input>:1:1: undeclared reference to 'params'"
    )
    assert (await refused(validations=valid("true", messageExpression="authorizer.path('/')")))[0] == (
        "spec.validations[0].messageExpression"
    )
    assert (await refused(variables=[{"name": "a", "expression": "variables.b"}]))[0] == "spec.variables[0].expression"
    conditions = [{"name": "a", "expression": "'x'"}]
    assert (await refused(matchConditions=conditions))[
        1
    ] == "Invalid value: \"'x'\": must evaluate to bool but got string"
    sent = configuration("x", webhook(matchConditions=[{"name": "a", "expression": "request.nothing == ''"}]))
    ((field, text),) = causes(await api.error("POST", VALIDATING, sent))
    assert field == "webhooks[0].matchConditions[0].expression"
    assert "undefined field 'nothing'" in text
    bad = {"patchType": "JSONPatch", "jsonPatch": {"expression": "Object{}"}}
    ((field, text),) = causes(await api.error("POST", MUTATING_POLICIES, mutating_policy("m", mutations=[bad])))
    assert field == "spec.mutations[0].jsonPatch.expression"
    assert text.endswith("must evaluate to list(JSONPatch) but got Object")


@story
async def test_match_conditions_of_webhooks_skip_and_refuse(api: Api) -> None:
    conditions = [{"name": "not-x", "expression": "object.metadata.name != 'x'"}]
    async with hook(api, allow, matchConditions=conditions) as server:
        await api.ok("POST", PODS, pod("x"))
        await api.ok("POST", PODS, pod("y"))
    assert [name for *_, name in asked(server)] == ["y"]
    broken = [{"name": "broken", "expression": "object.nothing.at.all"}, {"name": "fine", "expression": "true"}]
    broken[0]["expression"] = "object.nothing.at == 1"
    async with hook(api, allow, matchConditions=broken) as server:
        error = await api.error("POST", PODS, pod("z"))
        why = "expression 'object.nothing.at == 1' resulted in error: no such key: nothing"
        assert (error.code, error.message) == (403, f'pods "z" is forbidden: {why}')
    broken[1]["expression"] = "false"
    async with hook(api, allow, matchConditions=broken) as server:
        await api.ok("POST", PODS, pod("z"))
    broken[1]["expression"] = "true"
    async with hook(api, allow, matchConditions=broken, failurePolicy="Ignore") as server:
        await api.ok("POST", PODS, pod("w"))
    assert server.reviews == []


@story
async def test_policies_do_not_apply_to_themselves(api: Api) -> None:
    every = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]}
    await bound(api, rules=(every,), validations=valid("false"))
    await api.error("POST", CONFIG_MAPS, config_map("x"))
    await api.ok("DELETE", f"{POLICIES}/p")


@story
async def test_a_deletion_can_be_refused(api: Api) -> None:
    await api.ok("POST", CONFIG_MAPS, config_map("x", keep="1"))
    await bound(
        api,
        validations=valid("object == null && !('keep' in oldObject.data)"),
        rules=(OF_MAPS | {"operations": ["DELETE"]},),
    )
    assert (await api.error("DELETE", f"{CONFIG_MAPS}/x")).code == 422


async def mutated(api: Api, *mutations: Tree, how: Tree | None = None, **spec: Any) -> None:
    constraints = matching(OF_DEPLOYMENTS | {"operations": ["CREATE", "UPDATE"]})
    sent = mutating_policy("m", mutations=list(mutations), **({"matchConstraints": constraints} | spec))
    await api.ok("POST", MUTATING_POLICIES, sent)
    await api.ok("POST", MUTATING_BINDINGS, {"metadata": {"name": "b"}, "spec": {"policyName": "m"} | (how or {})})


def configured(expression: str) -> Tree:
    return {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}


def patched(expression: str) -> Tree:
    return {"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}


@story
async def test_a_configuration_is_merged_into_the_object(api: Api) -> None:
    side = "Object.spec.template.spec.containers{name: 'side', image: 'busybox'}"
    await mutated(
        api,
        configured("Object{spec: Object.spec{replicas: object.spec.replicas + 1}}"),
        configured(
            "Object{metadata: Object.metadata{labels: Object.metadata.labels{team: 'a'}}, spec: Object.spec{"
            f"template: Object.spec.template{{spec: Object.spec.template.spec{{containers: [{side}]}}}}}}}}"
        ),
    )
    made = await api.ok("POST", DEPLOYMENTS, deployment("d", 2), user_agent="kubectl/1")
    assert made["spec"]["replicas"] == 3
    assert made["metadata"]["labels"] == {"team": "a"}
    containers = made["spec"]["template"]["spec"]["containers"]
    assert sorted(c["name"] for c in containers) == ["side", "web"]
    assert all(c["terminationMessagePath"] for c in containers)
    assert made["metadata"]["managedFields"][0]["manager"] == "kubectl"


@story
async def test_json_patches_test_and_change(api: Api) -> None:
    await mutated(
        api,
        patched(
            "[JSONPatch{op: 'test', path: '/spec/replicas', value: 2},"
            " JSONPatch{op: 'replace', path: '/spec/replicas', value: 5}]"
        ),
        patched(
            "[JSONPatch{op: 'add', path: '/metadata/labels', value: {}},"
            " JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('a/b'), value: 'c'}]"
        ),
    )
    made = await api.ok("POST", DEPLOYMENTS, deployment("d", 2))
    assert (made["spec"]["replicas"], made["metadata"]["labels"]) == (5, {"a/b": "c"})
    assert (await api.ok("POST", DEPLOYMENTS, deployment("e", 1)))["spec"]["replicas"] == 1


@story
async def test_failures_of_mutations_refuse_by_the_failure_policy(api: Api) -> None:
    atomic = (
        "Object{spec: Object.spec{selector: Object.spec.selector{"
        "matchLabels: Object.spec.selector.matchLabels{a: 'b'}}}}"
    )
    await mutated(api, configured(atomic))
    error = await api.error("POST", DEPLOYMENTS, deployment("d"))
    text = "may not mutate atomic arrays, maps or structs: .spec.selector"
    text = f"error applying patch: invalid ApplyConfiguration: {text}"
    assert error.message == f"policy 'm' with binding 'b' denied request: {text}"
    assert error.reason == "Invalid"
    changed = await api.ok("GET", f"{MUTATING_POLICIES}/m")
    changed["spec"]["failurePolicy"] = "Ignore"
    await api.ok("PUT", f"{MUTATING_POLICIES}/m", changed)
    await api.ok("POST", DEPLOYMENTS, deployment("d"))


@story
async def test_a_type_name_must_match_its_field(api: Api) -> None:
    await mutated(api, configured("Object{spec: Object.wrong{replicas: 1}}"))
    error = await api.error("POST", DEPLOYMENTS, deployment("d"))
    assert 'unexpected type name "Object.wrong", expected "Object.spec"' in error.message


@story
async def test_a_policy_is_applied_again_after_a_webhook_changed_the_object(api: Api) -> None:
    labels = "Object{metadata: Object.metadata{labels: Object.metadata.labels{fixed: 'yes'}}}"
    await mutated(api, configured(labels), reinvocationPolicy="IfNeeded")
    rule = OF_DEPLOYMENTS | {"operations": ["CREATE"]}
    async with hook(api, labelling("hook", "1"), path=MUTATING, rules=[rule]) as server:
        made = await api.ok("POST", DEPLOYMENTS, deployment("d"))
    assert made["metadata"]["labels"] == {"hook": "1", "fixed": "yes"}
    assert len(server.reviews) == 1


@story
async def test_a_user_without_rights_is_seen_by_the_authorizer(api: Api) -> None:
    await bound(api, validations=valid("authorizer.requestResource.check('impersonate').allowed()", message="no"))
    await api.ok("POST", CONFIG_MAPS, config_map("a"))
    api.user = User("system:kube-controller-manager", ("system:authenticated",))
    response = await api.call("PATCH", f"{CONFIG_MAPS}/a", {"data": {"b": "c"}}, content_type=MERGE)
    assert response.status in (403, 422)


async def checked(api: Api, name: str) -> list[Tree]:
    """Returns the warnings in a policy's status, once the types are checked."""
    for _ in range(200):
        status = (await api.ok("GET", f"{POLICIES}/{name}")).get("status", {})
        if "typeChecking" in status:
            assert status["observedGeneration"] == 1
            return list(status["typeChecking"].get("expressionWarnings", []))
        await asyncio.sleep(0.01)
    raise AssertionError("the types are not checked in time")


@story
async def test_the_status_tells_errors_of_types(api: Api) -> None:
    constraints = matching(OF_DEPLOYMENTS)
    validations = [
        {
            "expression": "object.spec.replicas > '1'",
            "messageExpression": "'wants replicas > 1, got ' + object.spec.replicas",
        },
        {"expression": "object.spec.maxRetries < 10"},
        {"expression": "variables.replicas > 1 && oldObject.metadata.creationTimestamp < timestamp(request.name)"},
        {"expression": "object.metadata.labels.all(key, key.startsWith('a'))"},
        {"expression": "variables.replicas == 'x'"},
    ]
    variables = [{"name": "replicas", "expression": "object.spec.replicas"}]
    body = policy("p", matchConstraints=constraints, validations=validations, variables=variables)
    await api.ok("POST", POLICIES, body)
    warnings = await checked(api, "p")
    assert [one["fieldRef"] for one in warnings] == [
        "spec.validations[0].expression",
        "spec.validations[0].messageExpression",
        "spec.validations[1].expression",
        "spec.validations[4].expression",
    ]
    assert warnings[0]["warning"] == (
        "apps/v1, Kind=Deployment: compilation failed: ERROR: <input>:1:22: "
        "found no matching overload for '_>_' applied to '(int, string)'\n"
        " | object.spec.replicas > '1'\n"
        " | .....................^\n"
    )
    assert "found no matching overload for '_+_' applied to '(string, int)'" in warnings[1]["warning"]
    assert "undefined field 'maxRetries'" in warnings[2]["warning"]
    assert "'_==_' applied to '(int, string)'" in warnings[3]["warning"]


@story
async def test_policies_with_right_types_have_a_status_without_warnings(api: Api) -> None:
    validations = valid("object.spec.replicas > 1")
    await api.ok("POST", POLICIES, policy("p", matchConstraints=matching(OF_DEPLOYMENTS), validations=validations))
    anything = OF_DEPLOYMENTS | {"resources": ["*"]}
    await api.ok("POST", POLICIES, policy("q", matchConstraints=matching(anything), validations=valid("object.x == 1")))
    assert await checked(api, "p") == await checked(api, "q") == []
