"""The schemas that requests and responses use besides the kinds: Status, DeleteOptions, Patch, ListMeta, Scale.

The schemas are written out here because no kind refers to them; decoding does not use them.
"""

from __future__ import annotations

from typing import Any

from fairlead.machinery.openapi.schema import META, TIME, ref

Tree = dict[str, Any]

STATUS = META + "Status"
DELETE_OPTIONS = META + "DeleteOptions"
PATCH = META + "Patch"
LIST_META = META + "ListMeta"
SCALE = "io.k8s.api.autoscaling.v1.Scale"
_SCALE_SPEC = "io.k8s.api.autoscaling.v1.ScaleSpec"
_SCALE_STATUS = "io.k8s.api.autoscaling.v1.ScaleStatus"


def _object(description: str, **properties: Tree) -> Tree:
    return {"type": "object", "description": description, "properties": properties}


def _text(description: str) -> Tree:
    return {"type": "string", "description": description}


def _number(description: str, format: str = "int32") -> Tree:
    return {"type": "integer", "format": format, "description": description}


def _list(item: Tree, description: str) -> Tree:
    return {"type": "array", "items": item, "description": description, "x-kubernetes-list-type": "atomic"}


def _nested(name: str, description: str) -> Tree:
    return {"allOf": [ref(name)], "default": {}, "description": description}


_KIND = {
    "kind": _text("Kind of the object, in CamelCase; cannot be changed."),
    "apiVersion": _text("API group and version of the schema in which the object is written."),
}
_V1 = [{"group": "", "version": "v1", "kind": "Status"}]

META_COMPONENTS: Tree = {
    LIST_META: _object(
        "Metadata of the list: resource version and continuation token.",
        **{
            "continue": _text(
                "Token for the next request, which returns the next part of the list; empty after the last part."
            )
        },
        remainingItemCount=_number(
            "Number of items that follow the last item of this part; absent if unknown.", "int64"
        ),
        resourceVersion=_text("Resource version of the whole list; a watch may start from this version."),
        selfLink=_text("URL of the list; deprecated, never set."),
    ),
    META + "StatusCause": _object(
        "Single cause of a failed request.",
        field=_text("Path of the field that caused the failure, such as spec.ports[0].port."),
        message=_text("Human-readable description of the cause."),
        reason=_text("Machine-readable description of the cause, such as FieldValueInvalid."),
    ),
    META + "StatusDetails": _object(
        "Details of a failed request: the object concerned and all causes.",
        causes=_list(
            {"allOf": [ref(META + "StatusCause")], "default": {}}, "Causes of the failure, one for each invalid field."
        ),
        group=_text("API group of the resource that the request concerned."),
        kind=_text("Kind or resource that the request concerned."),
        name=_text("Name of the object that the request concerned."),
        retryAfterSeconds=_number("Seconds after which the client should retry the request."),
        uid=_text("UID of the object that the request concerned."),
    ),
    STATUS: _object(
        "Outcome of a request that returns no object, such as an error.",
        **_KIND,
        code=_number("HTTP status code of the response; 0 if unknown."),
        details={
            "allOf": [ref(META + "StatusDetails")],
            "description": "Details of a failed request: the object concerned and all causes.",
        },
        message=_text("Human-readable description of the outcome."),
        metadata=_nested(LIST_META, "Metadata of the list: resource version and continuation token."),
        reason=_text("Machine-readable reason of a failure, such as NotFound or Conflict."),
        status=_text("Outcome of the request: Success or Failure."),
    )
    | {"x-kubernetes-group-version-kind": _V1},
    META + "Preconditions": _object(
        "Conditions that the stored object must meet before the request is carried out.",
        resourceVersion=_text("Resource version that the stored object must have."),
        uid=_text("UID that the stored object must have."),
    ),
    DELETE_OPTIONS: _object(
        "Options of a deletion request.",
        **_KIND,
        dryRun=_list(
            {"type": "string", "default": ""},
            "Dry-run directives: All performs every check of the request but stores nothing.",
        ),
        gracePeriodSeconds=_number(
            "Seconds that the object is given to terminate; 0 deletes immediately, the kind's default if absent.",
            "int64",
        ),
        orphanDependents={
            "type": "boolean",
            "description": "Set to true to keep dependents; deprecated in favour of propagationPolicy: Orphan.",
        },
        preconditions={
            "allOf": [ref(META + "Preconditions")],
            "description": "Conditions that the stored object must meet before it is deleted.",
        },
        propagationPolicy=_text(
            "Treatment of dependents: Orphan (kept), Background (deleted later) or Foreground (deleted first)."
        ),
    ),
    PATCH: {"type": "object", "description": "Patch in the format that the request's content type names."},
    _SCALE_SPEC: _object(
        "Desired number of replicas of the workload.", replicas=_number("Desired number of replicas; default 0.")
    ),
    _SCALE_STATUS: _object(
        "Observed number of replicas of the workload.",
        replicas=_number("Number of replicas that the workload has at present."),
        selector=_text("Label selector of the replicas in its query form, such as app=web,tier=front."),
    ),
    SCALE: _object(
        "Desired and observed number of replicas of a workload.",
        **_KIND,
        metadata=_nested(META + "ObjectMeta", "Standard object's metadata: name, namespace, labels and annotations."),
        spec=_nested(_SCALE_SPEC, "Desired number of replicas of the workload."),
        status=_nested(_SCALE_STATUS, "Observed number of replicas of the workload; written by the system."),
    )
    | {"x-kubernetes-group-version-kind": [{"group": "autoscaling", "version": "v1", "kind": "Scale"}]},
}


def list_schema(item: str, gvk: Tree) -> Tree:
    """Returns the schema of the list kind for the component `item`."""
    return {
        "type": "object",
        "description": f"List of objects of kind {gvk['kind'].removesuffix('List')}.",
        "required": ["items"],
        "properties": {
            **_KIND,
            "items": {
                "type": "array",
                "items": {"allOf": [ref(item)], "default": {}},
                "description": "Objects of the list, ordered by namespace and name.",
            },
            "metadata": _nested(LIST_META, "Metadata of the list: resource version and continuation token."),
        },
        "x-kubernetes-group-version-kind": [gvk],
    }


__all__ = ["DELETE_OPTIONS", "LIST_META", "META_COMPONENTS", "PATCH", "SCALE", "STATUS", "TIME", "list_schema"]
