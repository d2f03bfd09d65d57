"""CustomResourceDefinition: what is refused, with upstream's texts and paths.

Parts that all versions share are named as upstream names them (`spec.validation`, `spec.subresources` and so on).
"""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.api.apiextensions.customresourcedefinition import CUSTOM_RESOURCE_DEFINITION
from tests.api.objects import Tree, wrong

OBJECT: Tree = {"type": "object"}
TEXT: Tree = {"type": "string"}
SCHEMA = "spec.validation.openAPIV3Schema"
FIELD = f"{SCHEMA}.properties[f]"
RULES = "x-kubernetes-validations"
LIST = "x-kubernetes-list-type"
KEYS = "x-kubernetes-list-map-keys"
MAP = "x-kubernetes-map-type"
PRESERVE = "x-kubernetes-preserve-unknown-fields"
EMBEDDED = "x-kubernetes-embedded-resource"
INT_OR_STRING = "x-kubernetes-int-or-string"
LABEL = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
MIXED = f"may have mixed case, but should otherwise match: {LABEL}"
HINT = (
    "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are "
    "declared)"
)
KEY_DEFAULT = f"this property is in {KEYS}, so it must have a default or be a required property"


def version(schema: Tree | None = None, *, name: str = "v1", storage: bool = True, **more: Any) -> Tree:
    shown = {"openAPIV3Schema": OBJECT if schema is None else schema}
    return {"name": name, "served": True, "storage": storage, "schema": shown, **more}


def crd(*versions: Tree, **spec: Any) -> Tree:
    names = {"plural": "cabs", "singular": "cab", "kind": "Cab", "listKind": "CabList"}
    group = {"group": "example.com", "scope": "Namespaced", "names": names}
    return {"metadata": {"name": "cabs.example.com"}, "spec": group | {"versions": [*versions] or [version()]} | spec}


def root(**schema: Any) -> Tree:
    return crd(version(schema))


def field(**schema: Any) -> Tree:
    return root(type="object", properties={"f": schema})


def listing(items: Tree, **more: Any) -> Tree:
    return field(type="array", items=items, **more)


def keyed(items: Tree, *keys: str) -> Tree:
    return listing(items, **{LIST: "map", KEYS: list(keys)})


def ruled(*rules: Tree, **schema: Any) -> Tree:
    return field(**schema, **{RULES: list(rules)})


def too_much(what: str, factor: str = "more than 100x") -> str:
    return f"Forbidden: {what} exceeds budget by factor of {factor} {HINT}"


def shown(rule: str, expression: str = "") -> str:
    return (
        f'{{"Rule":"{rule}","Message":"","MessageExpression":"{expression}","Reason":null,"FieldPath":"",'
        '"OptionalOldSelf":null}'
    )


NUMBERED = shown("self != ''", "1")
WRONG: dict[str, tuple[Tree, list[str]]] = {
    "good": (crd(), []),
    "group": (crd(group="nodots"), ['spec.group: Invalid value: "nodots": should be a domain with at least one dot']),
    "scope": (
        crd(scope="World"),
        ['spec.scope: Unsupported value: "World": supported values: "Cluster", "Namespaced"'],
    ),
    "names": (
        crd(names={"plural": "Cabs", "kind": "Cab!", "listKind": "Cab!", "shortNames": ["A"], "categories": ["_"]}),
        [
            f'spec.names.plural: Invalid value: "Cabs": {LABEL}',
            f'spec.names.singular: Invalid value: "cab!": {LABEL}',
            f'spec.names.kind: Invalid value: "Cab!": {MIXED}',
            f'spec.names.listKind: Invalid value: "Cab!": {MIXED}',
            f'spec.names.shortNames[0]: Invalid value: "A": {LABEL}',
            'spec.names.listKind: Invalid value: "Cab!": kind and listKind may not be the same',
            f'spec.names.categories[0]: Invalid value: "_": {LABEL}',
        ],
    ),
    "no schema": (
        crd({"name": "v1", "served": True, "storage": True}),
        ["spec.versions[0].schema.openAPIV3Schema: Required value"],
    ),
    "deprecation": (
        crd(version(deprecationWarning="x")),
        ['spec.versions[0].deprecationWarning: Invalid value: "x": can only be set for deprecated versions'],
    ),
    "unprintable deprecation": (
        crd(version(deprecated=True, deprecationWarning="a\tb")),
        [
            'spec.versions[0].deprecationWarning: Invalid value: "a\\tb": must only contain printable UTF-8 '
            "characters; non-printable character found at index 1"
        ],
    ),
    "columns": (
        crd(
            version(
                additionalPrinterColumns=[
                    {"name": "", "type": "float", "format": "x", "jsonPath": "spec"},
                    {"name": "a", "type": "", "jsonPath": ""},
                ]
            )
        ),
        [
            "spec.additionalPrinterColumns[0].name: Required value",
            'spec.additionalPrinterColumns[0].type: Invalid value: "float": must be one of '
            "boolean,date,integer,number,string",
            'spec.additionalPrinterColumns[0].format: Invalid value: "x": must be one of '
            "byte,date,date-time,double,float,int32,int64,password",
            'spec.additionalPrinterColumns[0].JSONPath: Invalid value: "spec": must be a simple json path starting '
            "with .",
            "spec.additionalPrinterColumns[1].type: Required value: must be one of boolean,date,integer,number,string",
            "spec.additionalPrinterColumns[1].JSONPath: Required value",
        ],
    ),
    "columns of one version": (
        crd(version(additionalPrinterColumns=[{"name": "a", "type": "string"}]), version(name="v2", storage=False)),
        ["spec.versions[0].additionalPrinterColumns[0].JSONPath: Required value"],
    ),
    "scale": (
        crd(
            version(
                subresources={
                    "scale": {"specReplicasPath": ".x", "statusReplicasPath": "", "labelSelectorPath": "y"},
                }
            )
        ),
        [
            'spec.subresources.scale.specReplicasPath: Invalid value: ".x": should be a json path under .spec',
            "spec.subresources.scale.statusReplicasPath: Required value",
            'spec.subresources.scale.labelSelectorPath: Invalid value: "y": must be a simple json path starting with .',
        ],
    ),
    "selectable fields": (
        crd(
            version(
                {"type": "object", "properties": {"a": TEXT, "o": OBJECT}},
                selectableFields=[{"jsonPath": path} for path in (".a", ".a", ".o", ".none", "")],
            )
        ),
        [
            'spec.selectableFields[1].jsonPath: Duplicate value: ".a"',
            'spec.selectableFields[2].jsonPath: Invalid value: ".o": must point to a field of type string, boolean or '
            "integer. Enum string fields and strings with formats are allowed.",
            'spec.selectableFields[3].jsonPath: Invalid value: ".none": is an invalid path: does not refer to a valid '
            "field",
            "spec.selectableFields[4].jsonPath: Required value",
        ],
    ),
    "unknown strategy": (
        crd(conversion={"strategy": "Magic"}),
        ['spec.conversion.strategy: Unsupported value: "Magic": supported values: "None", "Webhook"'],
    ),
    "webhook without its strategy": (
        crd(
            conversion={
                "strategy": "None",
                "webhook": {"clientConfig": {"url": "https://a"}, "conversionReviewVersions": ["v1"]},
            }
        ),
        [
            "spec.conversion.webhookClientConfig: Forbidden: should not be set when strategy is not set to Webhook",
            "spec.conversion.conversionReviewVersions: Forbidden: should not be set when strategy is not set to "
            "Webhook",
        ],
    ),
    "strategy without a webhook": (
        crd(conversion={"strategy": "Webhook"}),
        [
            "spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook",
            "spec.conversion.conversionReviewVersions: Required value",
        ],
    ),
    "webhook of a service": (
        crd(
            conversion={
                "strategy": "Webhook",
                "webhook": {
                    "clientConfig": {"service": {"name": "", "namespace": "", "port": 0}},
                    "conversionReviewVersions": ["v2", "v2"],
                },
            }
        ),
        [
            "spec.conversion.webhookClientConfig.service.name: Required value: service name is required",
            "spec.conversion.webhookClientConfig.service.namespace: Required value: service namespace is required",
            "spec.conversion.webhookClientConfig.service.port: Invalid value: 0: port is not valid: must be between 1 "
            "and 65535, inclusive",
            'spec.conversion.conversionReviewVersions[1]: Invalid value: "v2": duplicate version',
            'spec.conversion.conversionReviewVersions: Invalid value: ["v2","v2"]: must include at least one of v1, '
            "v1beta1",
        ],
    ),
    "nullable root": (
        root(type="object", nullable=True),
        [f"{SCHEMA}.nullable: Forbidden: nullable cannot be true at the root"],
    ),
    "array as root": (
        root(type="array", items=OBJECT),
        [f'{SCHEMA}.type: Invalid value: "array": must be object at the root'],
    ),
    "no types": (
        root(properties={"a": {}}),
        [
            f"{SCHEMA}.properties[a].type: Required value: must not be empty for specified object fields",
            f"{SCHEMA}.type: Required value: must not be empty at the root",
        ],
    ),
    "open root": (
        root(type="object", additionalProperties=OBJECT),
        [f"{SCHEMA}.additionalProperties: Forbidden: must not be used at the root"],
    ),
    "metadata": (
        root(
            type="object",
            properties={"kind": {"type": "integer"}, "metadata": {"type": "object", "properties": {"labels": OBJECT}}},
        ),
        [
            f'{SCHEMA}.properties[kind].type: Invalid value: "integer": must be string',
            f"{SCHEMA}.properties[metadata]: Forbidden: must not specify anything other than name and generateName, "
            "but metadata is implicitly specified",
        ],
    ),
    "array without items": (
        field(type="array"),
        [f"{FIELD}.items: Required value: must be specified"],
    ),
    "unknown type": (
        field(type="date"),
        [
            f'{FIELD}.type: Unsupported value: "date": supported values: "array", "boolean", "integer", "number", '
            '"object", "string"'
        ],
    ),
    "unsupported fields": (
        field(type="string", uniqueItems=True, id="x", **{"$ref": "#/a"}),
        [
            f"{FIELD}.id: Forbidden: id is not supported",
            f"{FIELD}.$ref: Forbidden: $ref is not supported",
            f"{FIELD}.uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes "
            "quadratic",
        ],
    ),
    "properties beside others": (
        field(type="object", properties={"a": OBJECT}, additionalProperties=OBJECT),
        [f"{FIELD}.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive"],
    ),
    "int or string": (
        field(**{INT_OR_STRING: True, PRESERVE: True}),
        [f"{FIELD}.{PRESERVE}: Invalid value: true: must be false if {INT_OR_STRING} is true"],
    ),
    "not preserving": (
        field(type="object", **{PRESERVE: False}),
        [f"{FIELD}.{PRESERVE}: Invalid value: false: must be true or undefined"],
    ),
    "embedded": (
        field(type="string", **{EMBEDDED: True}),
        [
            f"{FIELD}.properties: Required value: must not be empty if {EMBEDDED} is true without {PRESERVE}",
            f'{FIELD}.type: Invalid value: "string": must be object if {EMBEDDED} is true',
        ],
    ),
    "structure within anyOf": (
        root(
            type="object",
            anyOf=[{"type": "object", "description": "d", "nullable": True, "properties": {"x": {"minimum": 1}}}],
        ),
        [
            f"{SCHEMA}.anyOf[0].description: Forbidden: must be empty to be structural",
            f"{SCHEMA}.anyOf[0].nullable: Forbidden: must be false to be structural",
            f"{SCHEMA}.anyOf[0].type: Forbidden: must be empty to be structural",
            f"{SCHEMA}.properties[x]: Required value: because it is defined in {SCHEMA}.anyOf[0].properties[x]",
        ],
    ),
    "pattern": (
        field(type="string", pattern="(?=a)"),
        [
            f'{FIELD}.pattern: Invalid value: "(?=a)": must be a valid regular expression, but isn\'t: error parsing '
            "regexp: invalid perl operator: `(?=`"
        ],
    ),
    "keys of lists": (
        keyed({"type": "object", "properties": {"k": TEXT}}, "k", "k", "z"),
        [
            f'{FIELD}.{KEYS}: Invalid value: ["k","k","z"]: must not contain duplicate entries',
            f'{FIELD}.{KEYS}: Invalid value: ["k","k","z"]: entries must all be names of item properties',
            *[f"{FIELD}.items.properties[k].default: Required value: {KEY_DEFAULT}"] * 2,
        ],
    ),
    "map of texts": (
        keyed(TEXT),
        [
            f"{FIELD}.{KEYS}: Required value: must not be empty if {LIST} is map",
            f'{FIELD}.items.type: Invalid value: "string": must be object if parent array\'s {LIST} is map',
        ],
    ),
    "nullable keys": (
        keyed(
            {
                "type": "object",
                "nullable": True,
                "properties": {"k": OBJECT, "n": {"type": "string", "nullable": True, "default": ""}},
            },
            "k",
            "n",
        ),
        [
            f'{FIELD}.items.properties[k].type: Invalid value: "object": must be a scalar type if parent array\'s '
            f"{LIST} is map",
            f"{FIELD}.items.nullable: Forbidden: cannot be nullable when {LIST} is map",
            f"{FIELD}.items.properties[k].default: Required value: {KEY_DEFAULT}",
            f"{FIELD}.items.properties[n].nullable: Forbidden: this property is in {KEYS}, so it cannot be nullable",
        ],
    ),
    "list type of an object": (
        field(type="object", **{LIST: "bag", KEYS: ["a"], MAP: "x"}),
        [
            f'{FIELD}.{MAP}: Unsupported value: "x": supported values: "atomic", "granular"',
            f'{FIELD}.type: Invalid value: "object": must be array if {LIST} is specified',
            f'{FIELD}.{LIST}: Unsupported value: "bag": supported values: "atomic", "map", "set"',
            f'{FIELD}.{LIST}: Invalid value: "bag": must be map if {KEYS} is non-empty',
        ],
    ),
    "set of objects": (
        listing(OBJECT, **{LIST: "set"}),
        [f"{FIELD}.items.{MAP}: Invalid value: null: must be atomic as item of a list with {LIST}=set"],
    ),
    "map type of a text": (
        field(type="string", **{MAP: "atomic"}),
        [f'{FIELD}.type: Invalid value: "string": must be object if {MAP} is specified'],
    ),
    "default": (
        field(type="object", default={"a": 1, "b": 2}, properties={"a": TEXT}),
        [
            f'{FIELD}.default: Invalid value: {{"a":1,"b":2}}: must not have unknown fields',
            f'{FIELD}.default.a: Invalid value: "integer": a in body must be of type string: "integer"',
        ],
    ),
    "default against a rule": (
        ruled({"rule": "self < 5"}, type="integer", default=7),
        [f"{FIELD}.default: Invalid value: 7: failed rule: self < 5"],
    ),
    "default of metadata": (
        root(type="object", properties={"metadata": {"type": "object", "default": {}}}),
        [f"{SCHEMA}.properties[metadata].default: Forbidden: must not be set in top-level metadata"],
    ),
    "rule that does not compile": (
        ruled({"rule": "self.x == 1"}, type="object"),
        [
            f"{FIELD}.{RULES}[0].rule: Invalid value: {shown('self.x == 1')}: compilation failed: ERROR: "
            "<input>:1:5: undefined field 'x'\n | self.x == 1\n | ....^"
        ],
    ),
    "rule of another type": (
        ruled({"rule": "self"}, type="string"),
        [f"{FIELD}.{RULES}[0].rule: Invalid value: {shown('self')}: cel expression must evaluate to a bool"],
    ),
    "empty rule": (
        ruled({"rule": " ", "messageExpression": " "}, type="string"),
        [
            f"{FIELD}.{RULES}[0].rule: Required value: rule is not specified",
            f"{FIELD}.{RULES}[0].messageExpression: Required value: messageExpression must be non-empty if specified",
        ],
    ),
    "rule of two lines": (
        ruled({"rule": "self ==\n'a'"}, type="string"),
        [f"{FIELD}.{RULES}[0].message: Required value: message must be specified if rule contains line breaks"],
    ),
    "reason and path of a rule": (
        ruled({"rule": "true", "reason": "Bad", "fieldPath": ".x"}, type="object"),
        [
            f'{FIELD}.{RULES}[0].reason: Unsupported value: "Bad": supported values: "FieldValueDuplicate", '
            '"FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"',
            f'{FIELD}.{RULES}[0].fieldPath: Invalid value: ".x": must be a valid path',
        ],
    ),
    "message of another type": (
        ruled({"rule": "self != ''", "messageExpression": "1"}, type="string"),
        [
            f"{FIELD}.{RULES}[0].messageExpression: Invalid value: {NUMBERED}: messageExpression must "
            "evaluate to a string"
        ],
    ),
    "cost": (
        ruled({"rule": "self.all(x, self.all(y, x == y))"}, type="array", items=TEXT),
        [
            f"{FIELD}.{RULES}[0].rule: {too_much('estimated rule cost')}",
            f"{FIELD}.{RULES}[0].rule: Forbidden: contributed to estimated rule cost total exceeding cost limit for "
            "entire OpenAPIv3 schema",
            f"{SCHEMA}: {too_much(f'{RULES} estimated rule cost total for entire OpenAPIv3 schema')}",
        ],
    ),
    "cost with bounds": (
        ruled(
            {"rule": "self.all(x, self.all(y, x == y))"},
            type="array",
            maxItems=100,
            items={"type": "string", "maxLength": 50},
        ),
        [],
    ),
    "oldSelf within a list": (
        listing({"type": "boolean", RULES: [{"rule": "self || oldSelf"}, {"rule": "self", "optionalOldSelf": True}]}),
        [
            f'{FIELD}.items.{RULES}[0].rule: Invalid value: "self || oldSelf": oldSelf cannot be used on the '
            f"uncorrelatable portion of the schema within {FIELD}",
            f"{FIELD}.items.{RULES}[1].optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in "
            "rule",
        ],
    ),
}


@pytest.mark.parametrize(("tree", "errors"), WRONG.values(), ids=WRONG)
def test_wrong_definitions_are_refused_in_upstreams_words(tree: Tree, errors: list[str]) -> None:
    assert wrong(CUSTOM_RESOURCE_DEFINITION, tree) == errors


@pytest.mark.parametrize(
    ("versions", "error"),
    [
        ([version(), version()], "must contain unique version names"),
        ([version(storage=False)], "must have exactly one version marked as storage version"),
        ([version(), version(name="v2")], "must have exactly one version marked as storage version"),
    ],
)
def test_one_version_is_stored_and_all_have_names(versions: list[Tree], error: str) -> None:
    found = wrong(CUSTOM_RESOURCE_DEFINITION, crd(*versions))
    assert any(one.startswith("spec.versions: Invalid value: [") and one.endswith(f": {error}") for one in found)


def test_alternatives_at_the_root_exclude_the_status_subresource() -> None:
    schema = {"type": "object", "oneOf": [{"required": ["a"]}], "properties": {"a": OBJECT}}
    assert not wrong(CUSTOM_RESOURCE_DEFINITION, crd(version(schema)))
    (found,) = wrong(CUSTOM_RESOURCE_DEFINITION, crd(version(schema, subresources={"status": {}})))
    assert found.startswith(f"{SCHEMA}: Invalid value: ")
    assert found.endswith("fields are allowed at the root of the schema if the status subresource is enabled")
