"""Refuses requests to act as another user.

What must stay true: a request with any `Impersonate-*` header is never answered with the rights of its sender, because
`kubectl --as` and `auth can-i --as` would then report the rights of the sender. Only an authorizer can give the
permission to impersonate; the server has no such authorizer, so every such request is forbidden.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from urllib.parse import unquote

from fairlead.apiserver.model import User
from fairlead.machinery.values.status import StatusError

_GROUP = "authentication.k8s.io"
_PREFIX = "impersonate-"
_EXTRA = "impersonate-extra-"
_ACCOUNT = "system:serviceaccount:"
_WHY = "impersonation is not supported by this server"


def refuse_impersonation(user: User, headers: Mapping[str, str]) -> None:
    """Raises StatusError 403 if the request asks to act as another user, group, uid or extra value."""
    for name in headers:
        # Every request comes here, and few headers begin with this letter.
        if name[:1] in "iI" and name.lower().startswith(_PREFIX):
            names = [lower for other in headers if (lower := other.lower()).startswith(_PREFIX)]
            first = min(names, key=lambda name: (name != f"{_PREFIX}user", name))
            raise _forbidden(user, first, headers.get(first, ""))


def _forbidden(user: User, header: str, value: str) -> StatusError:
    group, resource, namespace, kind = "", "", "", header.removeprefix(_PREFIX)
    if kind == "user" and value.startswith(_ACCOUNT) and value.count(":") == 3:
        resource, (namespace, value) = "serviceaccounts", value.removeprefix(_ACCOUNT).split(":")
    elif kind in ("user", "group"):
        resource = f"{kind}s"
    elif kind == "uid":
        group, resource = _GROUP, "uids"
    else:
        group, resource = _GROUP, "userextras"
    path = f"{resource}/{unquote(header.removeprefix(_EXTRA))}" if header.startswith(_EXTRA) else resource
    where = f"in the namespace {json.dumps(namespace)}" if namespace else "at the cluster scope"
    qualified = f"{resource}.{group}" if group else resource
    who = (
        f"User {json.dumps(user.name)} cannot impersonate resource {json.dumps(path)} in API group {json.dumps(group)}"
    )
    text = f"{qualified} {json.dumps(value)} is forbidden: {html.escape(f'{who} {where}', quote=False)}: {_WHY}"
    details = {"name": value, "group": group, "kind": resource}
    return StatusError(403, "Forbidden", text, {key: part for key, part in details.items() if part})
