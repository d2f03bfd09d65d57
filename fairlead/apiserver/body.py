"""Request bodies: JSON or YAML in, a tree or an object out."""

from __future__ import annotations

from typing import Any, TypeVar

from fairlead.apiserver.accept import media_type, unsupported_media_type
from fairlead.machinery.decode import Decoded, FieldValidation, Target, decode, decode_as, decode_tree_as, target_of
from fairlead.machinery.kind import Kind
from fairlead.machinery.status import StatusError, bad_request
from fairlead.runtime.client import Request

MAX_BODY = 3 << 20
ACCEPTED = ("application/json", "application/yaml")

T = TypeVar("T")


def too_large() -> StatusError:
    return StatusError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {MAX_BODY}")


def read_object(kind: Kind[T], request: Request, validation: FieldValidation) -> Decoded[T]:
    """The object in the body. Raises StatusError 400, 415."""
    if _is_yaml(request):
        return read_as(target_of(kind), request, validation)
    return decode(kind, request.body, validation=validation)


def read_as(target: Target[T], request: Request, validation: FieldValidation = "Warn") -> Decoded[T]:
    """The body of a subresource."""
    if _is_yaml(request):
        return decode_tree_as(target, parse_yaml(request.body), validation=validation)
    return decode_as(target, request.body, validation=validation)


def parse_yaml(body: bytes) -> Any:
    """A YAML document as a JSON tree. Raises StatusError 400."""
    import yaml  # heavy, and clients that send YAML are rare: kubectl converts

    try:
        return yaml.load(body, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError) as e:
        raise bad_request(f"error converting YAML to JSON: yaml: {e}") from e


def _is_yaml(request: Request) -> bool:
    media = media_type(request.headers.get("content-type", ""))
    if media in ("application/json", "", "*/*"):
        return False
    if media in ("application/yaml", "text/yaml", "application/x-yaml"):
        return True
    raise unsupported_media_type(media, ACCEPTED)
