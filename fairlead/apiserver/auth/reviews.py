"""Questions about oneself: who am I (`kubectl auth whoami`), may I, and what may I (`kubectl auth can-i [--list]`)."""

from __future__ import annotations

from typing import Any

from fairlead.apiserver.model import User
from fairlead.apiserver.serialization.accept import media_type
from fairlead.machinery.decode import encode, parse_json
from fairlead.runtime.client import Request

_WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_MAY = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_RULES = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
_EVERYTHING = {
    "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    "incomplete": False,
}


PATHS = frozenset({_WHO, _MAY, _RULES})


def review(path: str, request: Request, user: User) -> bytes:
    """The answer to a review at one of `PATHS`."""
    if path == _WHO:
        info: dict[str, Any] = {"username": user.name, "groups": list(user.groups)}
        if user.uid:
            info["uid"] = user.uid
        if user.extra:
            info["extra"] = {key: list(values) for key, values in user.extra.items()}
        return _answer("SelfSubjectReview", "authentication.k8s.io/v1", {"status": {"userInfo": info}})
    if path == _MAY:
        rest = {"spec": _asked(request), "status": {"allowed": True, "reason": "every known user may do everything"}}
        return _answer("SelfSubjectAccessReview", "authorization.k8s.io/v1", rest)
    rest = {"spec": _asked(request), "status": _EVERYTHING}
    return _answer("SelfSubjectRulesReview", "authorization.k8s.io/v1", rest)


def _asked(request: Request) -> Any:
    """What was asked, for clients that like to see it again; nobody reads it out of a protobuf body."""
    if media_type(request.headers.get("content-type", "")) != "application/json":
        return {}
    tree = parse_json(request.body)
    return tree.get("spec", {}) if isinstance(tree, dict) else {}


def _answer(kind: str, api_version: str, rest: dict[str, Any]) -> bytes:
    return encode({"kind": kind, "apiVersion": api_version, "metadata": {}} | rest)
