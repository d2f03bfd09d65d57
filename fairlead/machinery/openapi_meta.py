"""The schemas that requests and answers need besides the kinds: Status, DeleteOptions, Patch, ListMeta, Scale.

Written out here because no kind reaches them; they never take part in decoding.
"""

from __future__ import annotations

from typing import Any

from fairlead.machinery.openapi_schema import META, TIME, ref

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


_KIND = {"kind": _text("What sort of object this is."), "apiVersion": _text("The version of its schema.")}
_V1 = [{"group": "", "version": "v1", "kind": "Status"}]

META_COMPONENTS: Tree = {
    LIST_META: _object(
        "What every list carries.",
        **{"continue": _text("Ask again with this to get the next part of the list.")},
        remainingItemCount=_number("How many items follow the last one here.", "int64"),
        resourceVersion=_text("The version of the whole list; a watch starts here."),
        selfLink=_text("Not used."),
    ),
    META + "StatusCause": _object(
        "One reason of a failure.",
        field=_text("The field at fault, as in spec.ports[0].port."),
        message=_text("The reason for people."),
        reason=_text("The reason for programs."),
    ),
    META + "StatusDetails": _object(
        "More about a failure.",
        causes=_list({"allOf": [ref(META + "StatusCause")], "default": {}}, "Every cause that was found."),
        group=_text("The group of the resource."),
        kind=_text("The kind of the resource."),
        name=_text("The name of the resource."),
        retryAfterSeconds=_number("When to try again."),
        uid=_text("The uid of the resource."),
    ),
    STATUS: _object(
        "The answer to a request that returns no object.",
        **_KIND,
        code=_number("The HTTP status code."),
        details={"allOf": [ref(META + "StatusDetails")], "description": "More about a failure."},
        message=_text("What happened, for people."),
        metadata=_nested(LIST_META, "What every list carries."),
        reason=_text("What happened, for programs."),
        status=_text("Success or Failure."),
    )
    | {"x-kubernetes-group-version-kind": _V1},
    META + "Preconditions": _object(
        "What must be true of an object for the request to go on.",
        resourceVersion=_text("The version it must have."),
        uid=_text("The uid it must have."),
    ),
    DELETE_OPTIONS: _object(
        "How an object is to be deleted.",
        **_KIND,
        dryRun=_list({"type": "string", "default": ""}, "All to change nothing."),
        gracePeriodSeconds=_number("How long it may take to end.", "int64"),
        orphanDependents={"type": "boolean", "description": "The old form of propagationPolicy: Orphan."},
        preconditions={"allOf": [ref(META + "Preconditions")], "description": "What must be true of the object."},
        propagationPolicy=_text("What becomes of dependents: Orphan, Background or Foreground."),
    ),
    PATCH: {"type": "object", "description": "A patch of the type that the request's content type names."},
    _SCALE_SPEC: _object("How many replicas are wanted.", replicas=_number("The number wanted.")),
    _SCALE_STATUS: _object(
        "How many replicas there are.",
        replicas=_number("The number seen."),
        selector=_text("Selects the replicas, in the form of a query."),
    ),
    SCALE: _object(
        "A request for a number of replicas, and what became of it.",
        **_KIND,
        metadata=_nested(META + "ObjectMeta", "Name, labels and all else that every object carries."),
        spec=_nested(_SCALE_SPEC, "What is wanted."),
        status=_nested(_SCALE_STATUS, "What was last seen to be."),
    )
    | {"x-kubernetes-group-version-kind": [{"group": "autoscaling", "version": "v1", "kind": "Scale"}]},
}


def list_schema(item: str, gvk: Tree) -> Tree:
    """The list kind of a kind whose component is called `item`."""
    return {
        "type": "object",
        "description": f"A list of objects of kind {gvk['kind'].removesuffix('List')}.",
        "required": ["items"],
        "properties": {
            **_KIND,
            "items": {"type": "array", "items": {"allOf": [ref(item)], "default": {}}, "description": "The objects."},
            "metadata": _nested(LIST_META, "What every list carries."),
        },
        "x-kubernetes-group-version-kind": [gvk],
    }


__all__ = ["DELETE_OPTIONS", "LIST_META", "META_COMPONENTS", "PATCH", "SCALE", "STATUS", "TIME", "list_schema"]
