"""OpenAPI v2 in protobuf, read with Google's library from the fields of gnostic's messages."""

from __future__ import annotations

from typing import Any

import msgspec
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, unknown_fields

from fairlead.apiserver.serialization.openapi_proto import CONTENT_TYPE, MEDIA_TYPE, openapi_v2_proto

from .harness import Api, story

_MESSAGES = """
Document 1 swagger string 2 info Info 8 paths Paths 9 definitions Definitions 16 ext NamedAny*
Info 1 title string 2 version string
Paths 2 path NamedPathItem*
NamedPathItem 1 name string 2 value PathItem
PathItem 2 get Operation 3 put Operation 4 post Operation 5 delete Operation 8 patch Operation\
 9 parameters ParametersItem*
Operation 1 tags string* 5 operationId string 6 produces string* 7 consumes string* 8 parameters ParametersItem*\
 9 responses Responses 13 ext NamedAny*
ParametersItem 1 parameter Parameter
Parameter 1 body Body 2 other Other
Body 1 description string 2 name string 3 in string 4 required bool 5 schema Schema
Other 3 query Query 4 path PathParameter
Query 1 required bool 2 in string 3 description string 4 name string 6 type string 20 uniqueItems bool
PathParameter 1 required bool 2 in string 3 description string 4 name string 5 type string 19 uniqueItems bool
Responses 1 code NamedResponse*
NamedResponse 1 name string 2 value ResponseValue
ResponseValue 1 response Response
Response 1 description string 2 schema SchemaItem
SchemaItem 1 schema Schema
Definitions 1 properties NamedSchema*
NamedSchema 1 name string 2 value Schema
NamedAny 1 name string 2 value Any
Any 2 yaml string
Schema 1 ref string 2 format string 4 description string 5 default Any 7 maximum double 9 minimum double\
 19 required string* 20 enum Any* 21 additional Item 22 type TypeItem 23 items Item\
 24 allOf Schema* 25 properties Definitions 31 ext NamedAny*
Item 1 schema Schema 2 boolean bool
TypeItem 1 value string*
"""
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS: dict[str, Any] = {"string": _Field.TYPE_STRING, "bool": _Field.TYPE_BOOL, "double": _Field.TYPE_DOUBLE}


def document(data: bytes) -> Any:
    """Returns the message; every byte of it must be known."""
    file = descriptor_pb2.FileDescriptorProto(name="openapi.proto", package="o", syntax="proto2")
    for line in filter(None, _MESSAGES.split("\n")):
        name, *rest = line.split()
        message = file.message_type.add(name=name)
        for number, field, type in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
            bare = type.rstrip("*")
            label = _Field.LABEL_REPEATED if bare != type else _Field.LABEL_OPTIONAL
            made = message.field.add(name=field, number=int(number), label=label)
            if bare in _SCALARS:
                made.type = _SCALARS[bare]
            else:
                made.type, made.type_name = _Field.TYPE_MESSAGE, f".o.{bare}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    message = message_factory.GetMessageClass(pool.FindMessageTypeByName("o.Document"))()
    message.ParseFromString(data)
    known(message)
    return message


def known(message: Any) -> None:
    assert len(unknown_fields.UnknownFieldSet(message)) == 0, message.DESCRIPTOR.name
    for descriptor, value in message.ListFields():
        if descriptor.message_type is not None:
            for one in value if descriptor.is_repeated else [value]:
                known(one)


def schema(message: Any) -> dict[str, Any]:
    """Returns a Schema as the JSON document has it."""
    tree: dict[str, Any] = {}
    for descriptor, value in message.ListFields():
        match descriptor.name:
            case "ref":
                tree["$ref"] = value
            case "default":
                tree["default"] = msgspec.json.decode(value.yaml)
            case "enum":
                tree["enum"] = [msgspec.json.decode(one.yaml) for one in value]
            case "type":
                tree["type"] = value.value[0]
            case "items":
                tree["items"] = schema(value.schema)
            case "additional":
                tree["additionalProperties"] = schema(value.schema) if value.HasField("schema") else value.boolean
            case "allOf":
                tree["allOf"] = [schema(one) for one in value]
            case "properties":
                tree["properties"] = {one.name: schema(one.value) for one in value.properties}
            case "ext":
                tree |= {one.name: msgspec.json.decode(one.value.yaml) for one in value}
            case "required":
                tree["required"] = list(value)
            case name:
                tree[name] = value
    return tree


@story
async def test_the_document_is_the_same_in_protobuf(api: Api) -> None:
    plain = await api.ok("GET", "/openapi/v2")
    answer = await api.call("GET", "/openapi/v2", accept=f"{MEDIA_TYPE}, application/json")
    assert answer.headers["content-type"] == CONTENT_TYPE
    found = document(answer.body)
    assert (found.swagger, found.info.title) == ("2.0", "Fairlead")
    definitions = {one.name: schema(one.value) for one in found.definitions.properties}
    assert definitions == plain["definitions"]
    paths = {one.name: one.value for one in found.paths.path}
    assert set(paths) == set(plain["paths"])
    patch = paths["/api/v1/namespaces/{namespace}/pods/{name}"].patch
    names = {item.parameter.other.query.name for item in patch.parameters if item.parameter.HasField("other")}
    assert {"dryRun", "fieldValidation", "force"} <= names
    [gvk] = [one.value.yaml for one in patch.ext if one.name == "x-kubernetes-group-version-kind"]
    assert msgspec.json.decode(gvk) == {"group": "", "version": "v1", "kind": "Pod"}
    assert patch.responses.code[0].value.response.schema.schema.ref == "#/definitions/io.k8s.api.core.v1.Pod"


def test_limits_and_types_of_any_value_are_encoded() -> None:
    tree = {"type": "object", "properties": {"n": {"type": "number", "minimum": 0.5, "enum": [1, "a"], "default": {}}}}
    made = document(openapi_v2_proto({"swagger": "2.0", "definitions": {"X": tree}}))
    assert schema(made.definitions.properties[0].value) == tree
