"""A site for browsers beside the API: the interface between this server and the code that serves the site."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from aiohttp import web

from fairlead.apiserver.model import User
from fairlead.runtime.client import Transport

PREFIX = "/ui"
KEY_HEADER = "x-fairlead-key"
"""Has the second half of a session, beside the cookie."""
COOKIE_PREFIX = "fairlead-ui-"


class Backend(Protocol):
    """The parts of the API server that a site uses."""

    def transport(self, user: User) -> Transport:
        """Returns a transport whose requests are those of the user."""
        ...

    async def read_node(self, node: str, path: str) -> bytes:
        """Returns the body of a path of a node's own API, without a check of rights. Raises StatusError."""
        ...


class Pages(Protocol):
    """Serves a site below `PREFIX` and knows the sessions of its users."""

    def user_of(self, headers: Mapping[str, str]) -> User | None:
        """Returns the user of the request's session; None without the key of a session. Raises StatusError 401
        if the key is not that of a session, or if the request comes from another origin."""
        ...

    async def answer(self, request: web.BaseRequest, user: User, backend: Backend) -> web.StreamResponse:
        """Answers a request below `PREFIX`. `user` is the one whom the connection or a token names; anonymous if only
        a session can tell."""
        ...


def is_page(path: str) -> bool:
    return path == PREFIX or path.startswith(f"{PREFIX}/")


class SessionAuthenticator:
    """Authenticates by the sessions of a site. Implements `Authenticator`."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    async def authenticate(self, credentials: _HasHeaders) -> User | None:
        return self._pages.user_of(credentials.headers)


class _HasHeaders(Protocol):
    @property
    def headers(self) -> Mapping[str, str]: ...
