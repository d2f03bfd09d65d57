"""The page of the control plane: imported at the first request of a browser, so that a cluster without one pays
nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fairlead.apiserver.pages import KEY_HEADER, Backend, Pages
from fairlead.apiserver.serialization.subprotocols import HEADER, KEY_PROTOCOL
from fairlead.base.clock import Clock

if TYPE_CHECKING:
    from aiohttp import web

    from fairlead.apiserver.model import User

_BYTES = 24
"""Length of a token, a cookie or a key: 192 bits."""
_ROOT = 1
"""The process of which all processes of the cluster descend, in its pid namespace."""


class LatePages:
    """Implements `Pages` by a site that is made when it is first needed."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._site: Pages | None = None

    def user_of(self, headers: Mapping[str, str]) -> User | None:
        """Implements `Pages`. A request without a session's key makes no site."""
        has_key = KEY_HEADER in headers or KEY_PROTOCOL in headers.get(HEADER, "")
        return self._made().user_of(headers) if has_key else None

    async def answer(self, request: web.BaseRequest, user: User, backend: Backend) -> web.StreamResponse:
        """Implements `Pages`."""
        return await self._made().answer(request, user, backend)

    def _made(self) -> Pages:
        if self._site is None:
            self._site = _make_site(self._clock)
        return self._site


def _make_site(clock: Clock) -> Pages:
    from functools import partial
    from secrets import token_urlsafe

    from fairlead.cmd.wiring.podsockets import listening_sockets
    from fairlead.webui.explaining import Explainer
    from fairlead.webui.sessions import Sessions
    from fairlead.webui.site import Site

    sessions = Sessions(clock=clock, random=partial(token_urlsafe, _BYTES))
    return Site(sessions, Explainer(partial(listening_sockets, _ROOT)))
