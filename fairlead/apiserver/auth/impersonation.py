"""Acting as another user: the headers `Impersonate-*`, and what a user must be allowed for that.

Constrained impersonation (KEP 5284) is tried first: the verb `impersonate:<mode>` on the user, and
`impersonate-on:<mode>:<verb>` on the request. Then the older form, the verb `impersonate` alone.

What must stay true: a request with any `Impersonate-*` header is never answered with the rights of its sender, because
`kubectl --as` and `auth can-i --as` would then report the rights of the sender. Source: upstream's filter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import unquote

import msgspec

from fairlead.apiserver.auth.authorization import Authorizer, refusal
from fairlead.apiserver.auth.node.identity import GROUP as NODES
from fairlead.apiserver.auth.node.identity import PREFIX as NODE_PREFIX
from fairlead.apiserver.model import User, split_service_account
from fairlead.apiserver.requestinfo import RequestInfo
from fairlead.base.dataclass import dataclass, field, replace
from fairlead.machinery.values import names
from fairlead.machinery.values.quoting import go_quote
from fairlead.machinery.values.status import StatusError, bad_request

_GROUP = "authentication.k8s.io"
_PREFIX = "impersonate-"
_EXTRA = "impersonate-extra-"
_KNOWN = frozenset({"impersonate-user", "impersonate-uid", "impersonate-group"})
_MASTERS = "system:masters"
_UNKNOWN, _KNOWN_USERS, _ANONYMOUS = "system:unauthenticated", "system:authenticated", "system:anonymous"
_NODE_NAME = "authentication.kubernetes.io/node-name"
_MANY = 4
"""Number of groups or extra values from which one check for all of them is tried first."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The user in the headers, as they say it."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def only_name(self) -> bool:
        return not (self.uid or self.groups or self.extra)


@dataclass(frozen=True, slots=True)
class Acting:
    """The user that a request acts as, and the verb of constrained impersonation that allowed it."""

    user: User
    constraint: str = ""


def wanted_user(headers: Mapping[str, str]) -> Wanted | None:
    """Returns the user to act as, or None without such headers. Raises StatusError 400 for incomplete headers."""
    for name in headers:
        # Every request comes here, and few headers begin with this letter.
        if name[:1] in "iI" and name.lower().startswith(_PREFIX):
            break
    else:
        return None
    found = [(lower, name) for name in headers if (lower := name.lower()).startswith(_PREFIX)]
    extra: dict[str, tuple[str, ...]] = {}
    for lower, name in dict(found).items():
        if lower.startswith(_EXTRA):
            extra[unquote(lower.removeprefix(_EXTRA))] = _values(headers, name)
        elif lower not in _KNOWN:
            raise bad_request(f"unknown header {name}")
    wanted = Wanted(
        headers.get("impersonate-user", ""),
        headers.get("impersonate-uid", ""),
        _values(headers, "impersonate-group"),
        extra,
    )
    if not wanted.name:
        raise bad_request(f"requested {', '.join(sorted(dict(found)))} without impersonating a user name")
    return wanted


def _values(headers: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Returns all values of a header, which an HTTP request may repeat."""
    every: Callable[[str, Sequence[str]], Sequence[str]] | None = getattr(headers, "getall", None)
    if every is not None:
        return tuple(every(name, ()))
    return (headers[name],) if name in headers else ()


async def impersonate(sender: User, wanted: Wanted, info: RequestInfo, authorizer: Authorizer) -> Acting:
    """Returns the user that the request acts as. Raises StatusError 403, the one of the first mode that applies."""
    refused: StatusError | None = None
    for mode in (*_MODES, None):
        if mode is not None and not mode.applies(sender, wanted):
            continue
        try:
            return await _Check(sender, wanted, authorizer, mode).run(info)
        except StatusError as error:
            refused = refused or error
    assert refused is not None
    raise refused


@dataclass(frozen=True, slots=True)
class _Mode:
    """One mode of constrained impersonation."""

    name: str
    applies: Callable[[User, Wanted], bool]


def _node_name(name: str) -> str:
    """Returns the node of a user name, or ""."""
    node = name.removeprefix(NODE_PREFIX)
    return "" if node == name or names.dns1123_subdomain(node) else node


def _is_own_node(sender: User, wanted: Wanted) -> bool:
    node = _node_name(wanted.name)
    own = sender.extra.get(_NODE_NAME, ())
    return bool(node) and wanted.only_name and bool(split_service_account(sender.name)) and tuple(own) == (node,)


_MODES = (
    _Mode("associated-node", _is_own_node),
    _Mode("arbitrary-node", lambda _, wanted: wanted.only_name and bool(_node_name(wanted.name))),
    _Mode("serviceaccount", lambda _, wanted: wanted.only_name and split_service_account(wanted.name) is not None),
    _Mode("user-info", lambda _, wanted: not _node_name(wanted.name) and split_service_account(wanted.name) is None),
)


class _Check:
    """The checks of one mode; `mode` None is the older form."""

    def __init__(self, sender: User, wanted: Wanted, authorizer: Authorizer, mode: _Mode | None) -> None:
        self._sender = sender
        self._wanted = wanted
        self._authorizer = authorizer
        self._mode = mode
        self._verb = f"impersonate:{mode.name}" if mode is not None else "impersonate"
        self._user_group = _GROUP if mode is not None else ""
        self._is_own_node = mode is _MODES[0]
        if self._is_own_node:  # the authorizer decides alike for all nodes, as upstream's cache requires
            keys = tuple(sorted(sender.extra))
            self._sender = replace(sender, extra={"authentication.kubernetes.io/associated-node-keys": keys})

    async def run(self, info: RequestInfo) -> Acting:
        """Returns the user. Raises StatusError 403."""
        wanted = self._wanted
        if self._mode is not None:
            verb = f"impersonate-on:{self._mode.name}:{info.verb}"
            await self._ask(msgspec.structs.replace(info, verb=verb))
        groups = await self._check_name()
        if wanted.uid:
            await self._check(_GROUP, "uids", wanted.uid)
        await self._check_groups()
        await self._check_extra()
        if wanted.name == _ANONYMOUS:
            groups = _with(groups, _UNKNOWN)
        elif _UNKNOWN not in groups:
            groups = _with(groups, _KNOWN_USERS)
        user = User(wanted.name, groups, wanted.uid, wanted.extra)
        return Acting(user, self._verb if self._mode is not None else "")

    async def _check_name(self) -> tuple[str, ...]:
        """Checks the name; returns the groups that come with the name or were asked for."""
        wanted = self._wanted
        node = _node_name(wanted.name) if self._mode is not None else ""
        if node:
            await self._check(_GROUP, "nodes", "*" if self._is_own_node else node)
            return (NODES,)
        account = split_service_account(wanted.name)
        if account is None:
            await self._check(self._user_group, "users", wanted.name)
            return wanted.groups
        namespace, name = account
        await self._check(self._user_group, "serviceaccounts", name, namespace=namespace)
        return wanted.groups or ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")

    async def _check_groups(self) -> None:
        groups = self._wanted.groups
        if self._mode is not None:
            if "" in groups:
                raise self._refused(self._info(self._user_group, "groups", ""), _NO_GROUP)
            if _MASTERS in groups:
                raise self._refused(self._info(self._user_group, "groups", _MASTERS), _NO_MASTERS)
            if len(groups) >= _MANY and await self._is_allowed(self._info(self._user_group, "groups", "*")):
                return
        for group in groups:
            await self._check(self._user_group, "groups", group)

    async def _check_extra(self) -> None:
        extra = self._wanted.extra
        if self._mode is not None and extra:
            if problem := _problem(extra):
                raise self._refused(self._info(_GROUP, "userextras", ""), problem)
            many = max(len(extra), sum(map(len, extra.values()))) >= _MANY
            if many and await self._is_allowed(self._info(_GROUP, "userextras", "*", subresource="*")):
                return
        for key, values in extra.items():
            for value in values:
                await self._check(_GROUP, "userextras", value, subresource=key)

    async def _check(self, group: str, resource: str, name: str, *, subresource: str = "", namespace: str = "") -> None:
        await self._ask(self._info(group, resource, name, subresource=subresource, namespace=namespace))

    def _info(self, group: str, resource: str, name: str, *, subresource: str = "", namespace: str = "") -> RequestInfo:
        return RequestInfo(
            method="",
            path="",
            verb=self._verb,
            is_resource_request=True,
            api_group=group,
            api_version="v1",
            resource=resource,
            subresource=subresource,
            name=name,
            namespace=namespace,
        )

    async def _ask(self, info: RequestInfo) -> None:
        """Raises StatusError 403 if the sender may not do this."""
        decision = await self._authorizer.authorize(self._sender, info)
        if not decision.allowed:
            raise self._refused(info, decision.reason)

    async def _is_allowed(self, info: RequestInfo) -> bool:
        return (await self._authorizer.authorize(self._sender, info)).allowed

    def _refused(self, info: RequestInfo, reason: str) -> StatusError:
        return refusal(self._sender, info, reason)


_NO_GROUP = "impersonating the empty string group is not allowed"
_NO_MASTERS = "impersonating the system:masters group is not allowed"


def _with(groups: tuple[str, ...], group: str) -> tuple[str, ...]:
    return groups if group in groups else (*groups, group)


def _problem(extra: Mapping[str, tuple[str, ...]]) -> str:
    """Returns why constrained impersonation does not allow the extra values."""
    for key, values in extra.items():
        if not key:
            return "impersonating the empty string key in extra is not allowed"
        domain, slash, path = key.partition("/")
        if not slash or not path or names.dns1123_subdomain(domain):
            return f"impersonating an invalid key in extra is not allowed: {go_quote(key)}"
        if "" in values:
            return "impersonating the empty string value in extra is not allowed"
    return ""
