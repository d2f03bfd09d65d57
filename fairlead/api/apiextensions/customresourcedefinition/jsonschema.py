"""The schema of a custom resource as the definition has it: OpenAPI v3 with Kubernetes' extensions."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, field

from fairlead.api.meta.types import Record
from fairlead.machinery.schemas.markers import Atomic, Doc, Format, ListMap


class ExternalDocumentation(Record):
    """Link to further documentation of a field."""

    description: Annotated[str, Doc("Text that says what the linked documentation is about.")] = ""
    url: Annotated[str, Doc("Address of the linked documentation, as a complete URL.")] = ""


class ValidationRule(Record):
    """Rule in CEL that values of the schema must pass."""

    rule: Annotated[
        str, Doc("Expression in CEL that must be true; `self` is the value, `oldSelf` the value before.")
    ] = ""
    message: Annotated[str, Doc("Text of the error if the rule fails; required if the rule has several lines.")] = ""
    messageExpression: Annotated[
        str, Doc("Expression in CEL that gives the text of the error; `message` is used if the expression fails.")
    ] = ""
    reason: Annotated[
        str | None,
        Doc("Reason of the error: FieldValueInvalid, FieldValueForbidden, FieldValueRequired or FieldValueDuplicate."),
    ] = None
    fieldPath: Annotated[str, Doc("Path from the value to the field that the error names, such as .spec.ports.")] = ""
    optionalOldSelf: Annotated[
        bool | None, Doc("True if the rule is also evaluated for new values; `oldSelf` is then an optional value.")
    ] = None


class JSONSchemaProps(Record):
    """Schema of a value: the type, the fields and the rules of validation."""

    id: Annotated[str, Doc("Identifier of the schema; not supported and therefore refused.")] = ""
    schema: Annotated[str, Doc("Address of the version of JSON Schema that the schema is written in.")] = field(
        default="", name="$schema"
    )
    ref: Annotated[str | None, Doc("Reference to another schema; not supported and therefore refused.")] = field(
        default=None, name="$ref"
    )
    description: Annotated[str, Doc("Description of the value, which kubectl explain shows.")] = ""
    type: Annotated[str, Doc("Type of the value: object, array, string, number, integer or boolean.")] = ""
    format: Annotated[
        str, Doc("Format of a string or number, such as date-time or int32; unknown ones are ignored.")
    ] = ""
    title: Annotated[str, Doc("Title of the schema, for documentation only.")] = ""
    default: Annotated[Any, Doc("Value that the server fills in if the field is absent; any JSON value.")] = UNSET
    maximum: Annotated[
        float | None, Doc("Greatest number that the value may have, included unless exclusiveMaximum.")
    ] = None
    exclusiveMaximum: Annotated[bool, Doc("True if the value must be less than the maximum, and not equal.")] = False
    minimum: Annotated[float | None, Doc("Least number that the value may have, included unless exclusiveMinimum.")] = (
        None
    )
    exclusiveMinimum: Annotated[bool, Doc("True if the value must be greater than the minimum, and not equal.")] = False
    maxLength: Annotated[int | None, Format("int64"), Doc("Greatest length of a string, in characters.")] = None
    minLength: Annotated[int | None, Format("int64"), Doc("Least length of a string, in characters.")] = None
    pattern: Annotated[str, Doc("Regular expression (RE2) that must be found in the string.")] = ""
    maxItems: Annotated[int | None, Format("int64"), Doc("Greatest number of items that a list may have.")] = None
    minItems: Annotated[int | None, Format("int64"), Doc("Least number of items that a list must have.")] = None
    uniqueItems: Annotated[
        bool, Doc("True if the items of a list must differ; refused, because checks cost too much.")
    ] = False
    multipleOf: Annotated[float | None, Doc("Number of which the value must be a whole multiple.")] = None
    enum: Annotated[list[Any], Atomic(), Doc("Values that are allowed; any other value is refused.")] = []
    maxProperties: Annotated[int | None, Format("int64"), Doc("Greatest number of fields that an object may have.")] = (
        None
    )
    minProperties: Annotated[int | None, Format("int64"), Doc("Least number of fields that an object must have.")] = (
        None
    )
    required: Annotated[list[str], Atomic(), Doc("Names of the fields that an object must have.")] = []
    items: Annotated[
        JSONSchemaProps | list[JSONSchemaProps] | None,
        Doc("Schema of the items of a list; a list of schemas is refused."),
    ] = None
    allOf: Annotated[list[JSONSchemaProps], Atomic(), Doc("Schemas of which the value must fit every one.")] = []
    oneOf: Annotated[list[JSONSchemaProps], Atomic(), Doc("Schemas of which the value must fit exactly one.")] = []
    anyOf: Annotated[list[JSONSchemaProps], Atomic(), Doc("Schemas of which the value must fit at least one.")] = []
    not_: Annotated[JSONSchemaProps | None, Doc("Schema that the value must not fit.")] = field(
        default=None, name="not"
    )
    properties: Annotated[dict[str, JSONSchemaProps], Doc("Schemas of the fields of an object, by name.")] = {}
    additionalProperties: Annotated[
        JSONSchemaProps | bool | None, Doc("Schema of fields beside the named ones, or true if any field is allowed.")
    ] = None
    patternProperties: Annotated[
        dict[str, JSONSchemaProps], Doc("Schemas by patterns of field names; not supported and therefore refused.")
    ] = {}
    dependencies: Annotated[
        dict[str, Any] | None, Doc("Dependencies between fields; not supported and therefore refused.")
    ] = None
    additionalItems: Annotated[
        JSONSchemaProps | bool | None, Doc("Schema of further items of a list; not supported and therefore refused.")
    ] = None
    definitions: Annotated[
        dict[str, JSONSchemaProps], Doc("Schemas for references; not supported and therefore refused.")
    ] = {}
    externalDocs: Annotated[ExternalDocumentation | None, Doc("Link to further documentation of the value.")] = None
    example: Annotated[Any, Doc("Example of a value, for documentation only; any JSON value.")] = UNSET
    nullable: Annotated[bool, Doc("True if null is a valid value beside those of the type.")] = False
    preserve: Annotated[
        bool | None, Doc("True if the server keeps fields that the schema does not name, instead of removing them.")
    ] = field(default=None, name="x-kubernetes-preserve-unknown-fields")
    embedded: Annotated[bool, Doc("True if the value is a complete resource with apiVersion, kind and metadata.")] = (
        field(default=False, name="x-kubernetes-embedded-resource")
    )
    int_or_string: Annotated[bool, Doc("True if the value is either an integer or a string.")] = field(
        default=False, name="x-kubernetes-int-or-string"
    )
    list_map_keys: Annotated[
        list[str], Atomic(), Doc("Fields that identify the items of a list with list type map.")
    ] = field(default_factory=list, name="x-kubernetes-list-map-keys")
    list_type: Annotated[
        str | None, Doc("Kind of the list for apply: atomic (replaced whole), set, or map (items by their keys).")
    ] = field(default=None, name="x-kubernetes-list-type")
    map_type: Annotated[
        str | None, Doc("Kind of the object for apply: granular (field by field) or atomic (replaced whole).")
    ] = field(default=None, name="x-kubernetes-map-type")
    validations: Annotated[
        list[ValidationRule], ListMap(keys=("rule",), patch_key="rule"), Doc("Rules in CEL that the value must pass.")
    ] = field(default_factory=list, name="x-kubernetes-validations")


def schema_tree(schema: JSONSchemaProps) -> dict[str, Any]:
    """Returns a schema as a JSON tree, without absent fields."""
    tree: dict[str, Any] = msgspec.to_builtins(schema)
    return tree


__all__ = ["ExternalDocumentation", "JSONSchemaProps", "ValidationRule", "schema_tree"]
