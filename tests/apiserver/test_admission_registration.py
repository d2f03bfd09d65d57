"""Configurations of webhooks and policies: defaults, refusals with their paths, tables."""

from __future__ import annotations

from typing import Any

from fairlead.machinery.values.status import StatusError

from .harness import Api, story

ROOT = "/apis/admissionregistration.k8s.io/v1"
VALIDATING, MUTATING = f"{ROOT}/validatingwebhookconfigurations", f"{ROOT}/mutatingwebhookconfigurations"
POLICIES, BINDINGS = f"{ROOT}/validatingadmissionpolicies", f"{ROOT}/validatingadmissionpolicybindings"
MUTATING_POLICIES = f"{ROOT}/mutatingadmissionpolicies"
MUTATING_BINDINGS = f"{ROOT}/mutatingadmissionpolicybindings"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PODS_RULE = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}


def webhook(name: str = "a.example.com", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "rules": [PODS_RULE],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    } | more


def configuration(name: str, *hooks: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": name}, "webhooks": list(hooks)}


def policy(name: str, **spec: Any) -> dict[str, Any]:
    constraints = {"resourceRules": [PODS_RULE]}
    return {
        "metadata": {"name": name},
        "spec": {"matchConstraints": constraints, "validations": [{"expression": "true"}]} | spec,
    }


def mutating_policy(name: str, **spec: Any) -> dict[str, Any]:
    mutation = {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "Object{}"}}
    more = {"mutations": [mutation], "reinvocationPolicy": "Never", "matchConstraints": {"resourceRules": [PODS_RULE]}}
    return {"metadata": {"name": name}, "spec": more | spec}


def binding(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"policyName": "p", "validationActions": ["Deny"]} | spec}


def causes(error: StatusError) -> list[tuple[str, str]]:
    assert error.code == 422, error
    return [(cause["field"], cause["message"]) for cause in error.details["causes"]]


async def problems(api: Api, hook: dict[str, Any], path: str = VALIDATING) -> list[tuple[str, str]]:
    """Returns the errors of a webhook, without the beginning of their paths."""
    found = causes(await api.error("POST", path, configuration("x", hook)))
    return [(field.removeprefix("webhooks[0]").removeprefix("."), text) for field, text in found]


@story
async def test_webhooks_get_upstreams_defaults(api: Api) -> None:
    for path in (VALIDATING, MUTATING):
        sent = webhook(clientConfig={"service": {"namespace": "default", "name": "web"}})
        made = await api.ok("POST", path, configuration("x", sent))
        (hook,) = made["webhooks"]
        assert hook["failurePolicy"] == "Fail"
        assert hook["matchPolicy"] == "Equivalent"
        assert (hook["namespaceSelector"], hook["objectSelector"]) == ({}, {})
        assert hook["timeoutSeconds"] == 10
        assert hook["clientConfig"]["service"]["port"] == 443
        assert hook["rules"][0]["scope"] == "*"
        assert hook.get("reinvocationPolicy") == ("Never" if path == MUTATING else None)
        assert made["metadata"]["generation"] == 1
        made["webhooks"][0]["timeoutSeconds"] = 5
        assert (await api.ok("PUT", f"{path}/x", made))["metadata"]["generation"] == 2


@story
async def test_the_fields_of_a_webhook_are_checked(api: Api) -> None:
    assert await problems(api, webhook("")) == [("name", "Required value")]
    assert await problems(api, webhook("a.b")) == [
        ("name", 'Invalid value: "a.b": should be a domain with at least three segments separated by dots')
    ]
    supported = 'Unsupported value: "Some": supported values: '
    assert await problems(api, webhook(failurePolicy="Some", matchPolicy="Some", sideEffects="Some")) == [
        ("failurePolicy", f'{supported}"Fail", "Ignore"'),
        ("matchPolicy", f'{supported}"Equivalent", "Exact"'),
        ("sideEffects", f'{supported}"None", "NoneOnDryRun"'),
    ]
    assert await problems(api, webhook(sideEffects=None, timeoutSeconds=31)) == [
        ("sideEffects", "Required value: must specify one of None, NoneOnDryRun"),
        ("timeoutSeconds", "Invalid value: 31: the timeout value must be between 1 and 30 seconds"),
    ]
    assert await problems(api, webhook(admissionReviewVersions=[])) == [
        ("admissionReviewVersions", "Required value: must specify one of v1, v1beta1")
    ]
    assert await problems(api, webhook(admissionReviewVersions=["v2", "v2"])) == [
        ("admissionReviewVersions[1]", 'Invalid value: "v2": duplicate version'),
        ("admissionReviewVersions", 'Invalid value: ["v2","v2"]: must include at least one of v1, v1beta1'),
    ]
    assert await problems(api, webhook(reinvocationPolicy="Always"), MUTATING) == [
        ("reinvocationPolicy", 'Unsupported value: "Always": supported values: "IfNeeded", "Never"')
    ]
    twice = await api.error("POST", VALIDATING, configuration("x", webhook(), webhook()))
    assert causes(twice) == [("webhooks[1].name", 'Duplicate value: "a.example.com"')]


@story
async def test_the_address_of_a_webhook_is_checked(api: Api) -> None:
    async def address(**config: Any) -> list[tuple[str, str]]:
        found = await problems(api, webhook(clientConfig=config))
        return [(field.removeprefix("clientConfig"), text) for field, text in found]

    one = "Required value: exactly one of url or service is required"
    service = {"namespace": "default", "name": "web"}
    assert await address() == [("", one)]
    assert await address(url="https://a/", service=service) == [("", one)]
    form = "; desired format: https://host[/path]"
    assert await address(url="http://a/") == [
        (".url", f"Invalid value: \"http\": 'https' is the only allowed URL scheme{form}")
    ]
    assert await address(url="https:///x") == [(".url", f'Invalid value: "": host must be specified{form}')]
    assert await address(url="https://u:p@a/?x=1#y") == [
        (".url", 'Invalid value: "u:p": user information is not permitted in the URL'),
        (".url", 'Invalid value: "y": fragments are not permitted in the URL'),
        (".url", 'Invalid value: "x=1": query parameters are not permitted in the URL'),
    ]
    assert await address(service={"namespace": "", "name": "", "port": 0, "path": "a"}) == [
        (".service.name", "Required value: service name is required"),
        (".service.namespace", "Required value: service namespace is required"),
        (".service.port", "Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive"),
        (".service.path", "Invalid value: \"a\": must start with a '/'"),
        (".service.path", 'Invalid value: "a": segment[0] may not be empty'),
    ]
    assert await address(service=service | {"path": "/a//b"}) == [
        (".service.path", 'Invalid value: "/a//b": segment[1] may not be empty')
    ]


@story
async def test_rules_are_checked(api: Api) -> None:
    async def rule(**changes: Any) -> list[tuple[str, str]]:
        found = await problems(api, webhook(rules=[PODS_RULE | changes]))
        return [(field.removeprefix("rules[0]."), text) for field, text in found]

    for field in ("operations", "apiGroups", "apiVersions", "resources"):
        assert await rule(**{field: []}) == [(field, "Required value")]
    assert await rule(operations=["*", "CREATE"], scope="All") == [
        ("operations", 'Invalid value: ["*","CREATE"]: if \'*\' is present, must not specify other operations'),
        ("scope", 'Unsupported value: "All": supported values: "*", "Cluster", "Namespaced"'),
    ]
    assert await rule(operations=["READ"], apiVersions=[""]) == [
        (
            "operations[0]",
            'Unsupported value: "READ": supported values: "*", "CONNECT", "CREATE", "DELETE", "UPDATE"',
        ),
        ("apiVersions[0]", "Required value"),
    ]
    assert await rule(apiGroups=["*", "apps"], apiVersions=["*", "v1"]) == [
        ("apiGroups", 'Invalid value: ["*","apps"]: if \'*\' is present, must not specify other API groups'),
        ("apiVersions", 'Invalid value: ["*","v1"]: if \'*\' is present, must not specify other API versions'),
    ]
    assert await rule(resources=["pods/*", "pods/log", "*/scale", "a/scale", ""]) == [
        ("resources[1]", "Invalid value: \"pods/log\": if 'pods/*' is present, must not specify pods/log"),
        ("resources[3]", "Invalid value: \"a/scale\": if '*/scale' is present, must not specify a/scale"),
        ("resources[4]", "Required value"),
    ]
    assert await rule(resources=["*/*", "pods"]) == [
        ("resources", 'Invalid value: ["*/*","pods"]: if \'*/*\' is present, must not specify other resources')
    ]
    plain = "if '*' is present, must not specify other resources without subresources"
    assert await rule(resources=["*", "pods"]) == [("resources", f'Invalid value: ["*","pods"]: {plain}')]


@story
async def test_match_conditions_need_a_unique_name_and_an_expression(api: Api) -> None:
    conditions = [{"name": "a", "expression": " "}, {"name": "a", "expression": "true"}, {"expression": "true"}]
    sent = configuration("x", webhook(matchConditions=conditions))
    assert causes(await api.error("POST", VALIDATING, sent)) == [
        ("webhooks[0].matchConditions[0].expression", "Required value"),
        ("webhooks[0].matchConditions[1].name", 'Duplicate value: "a"'),
        ("webhooks[0].matchConditions[2].name", "Required value"),
    ]
    many = [{"name": f"c{i}", "expression": "true"} for i in range(65)]
    ((field, text),) = causes(await api.error("POST", VALIDATING, configuration("x", webhook(matchConditions=many))))
    assert (field, text) == ("webhooks[0].matchConditions", "Too many: 65: must have at most 64 items")


@story
async def test_a_policy_gets_its_defaults_and_is_checked(api: Api) -> None:
    made = await api.ok("POST", POLICIES, policy("p"))
    assert made["spec"]["failurePolicy"] == "Fail"
    constraints = made["spec"]["matchConstraints"]
    assert constraints["matchPolicy"] == "Equivalent"
    assert (constraints["namespaceSelector"], constraints["objectSelector"]) == ({}, {})
    assert constraints["resourceRules"][0]["scope"] == "*"

    async def refused(**spec: Any) -> list[tuple[str, str]]:
        return causes(await api.error("POST", POLICIES, policy("q", **spec)))

    assert await refused(matchConstraints=None) == [("spec.matchConstraints", "Required value")]
    assert await refused(matchConstraints={}) == [("spec.matchConstraints.resourceRules", "Required value")]
    text = "Required value: validations or auditAnnotations must contain at least one item"
    assert await refused(validations=[]) == [("spec.validations", text), ("spec.auditAnnotations", text)]
    assert await refused(paramKind={"apiVersion": "a/b/c"}) == [
        ("spec.paramKind.apiVersion", 'Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c'),
        ("spec.paramKind.kind", "Required value"),
    ]
    validations = [{"expression": "", "message": " ", "reason": "Because"}, {"expression": "true", "message": "a\nb"}]
    assert await refused(validations=validations) == [
        ("spec.validations[0].expression", "Required value: expression is not specified"),
        ("spec.validations[0].message", 'Invalid value: " ": must be non-empty if specified'),
        (
            "spec.validations[0].reason",
            'Unsupported value: "Because": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge"',
        ),
        ("spec.validations[1].message", 'Invalid value: "a\\nb": must not contain line breaks'),
    ]
    assert await refused(variables=[{"name": "for", "expression": "1"}, {"name": " ", "expression": " "}]) == [
        ("spec.variables[0].name", 'Invalid value: "for": must be a valid CEL identifier'),
        ("spec.variables[1].name", "Required value: name is not specified"),
        ("spec.variables[1].expression", "Required value: expression is not specified"),
    ]
    annotation = {"key": "k", "valueExpression": "'v'"}
    assert await refused(auditAnnotations=[annotation, annotation]) == [
        ("spec.auditAnnotations[1].key", 'Duplicate value: "k"')
    ]
    rules = [PODS_RULE | {"resourceNames": ["a/b", "c", "c"]}]
    assert await refused(matchConstraints={"resourceRules": rules}) == [
        ("spec.matchConstraints.resourceRules[0].resourceNames[0]", "Invalid value: \"a/b\": may not contain '/'"),
        ("spec.matchConstraints.resourceRules[0].resourceNames[2]", 'Duplicate value: "c"'),
    ]


@story
async def test_a_mutating_policy_is_checked(api: Api) -> None:
    await api.ok("POST", MUTATING_POLICIES, mutating_policy("p"))

    async def refused(**spec: Any) -> list[tuple[str, str]]:
        return causes(await api.error("POST", MUTATING_POLICIES, mutating_policy("q", **spec)))

    assert await refused(mutations=[]) == [
        ("spec.mutations", "Required value: mutations must contain at least one item")
    ]
    assert await refused(reinvocationPolicy="") == [("spec.reinvocationPolicy", "Required value")]
    mutations = [
        {"patchType": ""},
        {"patchType": "Strategic"},
        {"patchType": "JSONPatch", "applyConfiguration": {"expression": "Object{}"}},
        {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": " "}},
    ]
    text = "must not be specified when patchType is JSONPatch"
    assert await refused(mutations=mutations) == [
        ("spec.mutations[0].patchType", "Required value"),
        (
            "spec.mutations[1].patchType",
            'Unsupported value: "Strategic": supported values: "ApplyConfiguration", "JSONPatch"',
        ),
        ("spec.mutations[2].jsonPatch", "Required value: must be specified when patchType is JSONPatch"),
        ("spec.mutations[2].applyConfiguration", f'Invalid value: "{{applyConfiguration}}": {text}'),
        ("spec.mutations[3].applyConfiguration.expression", "Required value"),
    ]
    rules = [PODS_RULE | {"operations": ["DELETE"]}]
    assert await refused(matchConstraints={"resourceRules": rules}) == [
        (
            "spec.matchConstraints.resourceRules.operations",
            'Unsupported value: "DELETE": supported values: "*", "CONNECT", "CREATE", "UPDATE"',
        )
    ]


@story
async def test_bindings_are_checked(api: Api) -> None:
    async def refused(**spec: Any) -> list[tuple[str, str]]:
        return causes(await api.error("POST", BINDINGS, binding("b", **spec)))

    await api.ok("POST", BINDINGS, binding("a"))
    await api.ok("POST", MUTATING_BINDINGS, {"metadata": {"name": "a"}, "spec": {"policyName": "p"}})
    assert await refused(policyName="") == [("spec.policyName", "Required value")]
    assert await refused(validationActions=[]) == [
        ("spec.validationActions", "Required value: at least one validation action is required")
    ]
    actions = ["Deny", "Warn", "Deny", "Log"]
    assert [field for field, _ in await refused(validationActions=actions)] == [
        "spec.validationActions[2]",
        "spec.validationActions[3]",
        "spec.validationActions",
    ]
    exclusive = "Forbidden: name and selector are mutually exclusive"
    assert await refused(paramRef={"name": "a", "selector": {}}) == [
        ("spec.paramRef.name", exclusive),
        ("spec.paramRef.selector", exclusive),
        ("spec.paramRef.parameterNotFoundAction", "Required value"),
    ]
    assert await refused(paramRef={"parameterNotFoundAction": "Warn"}) == [
        ("spec.paramRef", "Required value: one of name or selector must be specified"),
        ("spec.paramRef.parameterNotFoundAction", 'Unsupported value: "Warn": supported values: "Allow", "Deny"'),
    ]


@story
async def test_tables_have_upstreams_columns(api: Api) -> None:
    async def row(path: str) -> dict[str, Any]:
        table = await api.ok("GET", path, accept=TABLE)
        cells = table["rows"][0]["cells"]
        return dict(zip((c["name"] for c in table["columnDefinitions"]), cells, strict=True))

    await api.ok("POST", VALIDATING, configuration("x", webhook()))
    await api.ok("POST", POLICIES, policy("p", paramKind={"apiVersion": "v1", "kind": "ConfigMap"}))
    ref = {"name": "n", "parameterNotFoundAction": "Deny"}
    await api.ok("POST", BINDINGS, binding("b", paramRef=ref))
    await api.ok("POST", MUTATING_POLICIES, mutating_policy("m"))
    assert await row(VALIDATING) == {"Name": "x", "Webhooks": 1, "Age": "0s"}
    assert await row(POLICIES) == {"Name": "p", "Validations": 1, "ParamKind": "v1/ConfigMap", "Age": "0s"}
    assert await row(BINDINGS) == {"Name": "b", "PolicyName": "p", "ParamRef": "*/n", "Age": "0s"}
    assert await row(MUTATING_POLICIES) == {"Name": "m", "Mutations": 1, "ParamKind": "<unset>", "Age": "0s"}
