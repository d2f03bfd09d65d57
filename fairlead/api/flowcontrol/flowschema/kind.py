"""The FlowSchema kind. The API server stores and checks flow schemas; it shapes no traffic by them."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.api.flowcontrol.autoupdate import MANDATORY
from fairlead.api.flowcontrol.flowschema.bootstrap import flow_schemas
from fairlead.api.flowcontrol.flowschema.rules import condition_errors, fixed_errors, spec_errors
from fairlead.api.flowcontrol.flowschema.types import FlowSchema, FlowSchemaStatus
from fairlead.api.meta.columns import AGE, NAME, NONE
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.kind import Column, Strategy
from fairlead.machinery.values.status import FieldError

_DEFAULT_PRECEDENCE = 1000


def _default(flow_schema: FlowSchema) -> FlowSchema:
    flow_schema.spec.matchingPrecedence = flow_schema.spec.matchingPrecedence or _DEFAULT_PRECEDENCE
    return flow_schema


def _prepare_create(flow_schema: FlowSchema) -> FlowSchema:
    flow_schema.status = FlowSchemaStatus()
    return flow_schema


def _rules(flow_schema: FlowSchema) -> Iterator[FieldError]:
    name = flow_schema.metadata.name
    yield from spec_errors(name, flow_schema.spec)
    if name in MANDATORY:
        yield from fixed_errors(flow_schema, next(one.spec for one in flow_schemas() if one.metadata.name == name))
    yield from condition_errors(flow_schema.status.conditions)


def _method(flow_schema: FlowSchema, _: Instant) -> str:
    return flow_schema.spec.distinguisherMethod.type if flow_schema.spec.distinguisherMethod is not None else NONE


def _dangling(flow_schema: FlowSchema, _: Instant) -> str:
    return next((c.status for c in flow_schema.status.conditions if c.type == "Dangling"), "?")


STRATEGY: Strategy[FlowSchema] = Strategy(
    type=FlowSchema,
    columns=(
        NAME,
        Column(
            "PriorityLevel",
            lambda found, _: found.spec.priorityLevelConfiguration.name,
            doc="Name of the priority level of the requests.",
        ),
        Column(
            "MatchingPrecedence",
            lambda found, _: found.spec.matchingPrecedence,
            doc="Order of the schema; of those that match, the lowest counts.",
        ),
        Column("DistinguisherMethod", _method, doc="Property that divides the requests into flows."),
        AGE,
        Column("MissingPL", _dangling, doc="True if the priority level does not exist."),
    ),
    default=_default,
    prepare_create=_prepare_create,
    rules=_rules,
)
