"""The site at `/ui`: login, static files, live data and explanations. Implements `Pages`.

What must stay true: without a session, or credentials of the connection, only the files of the login page are served.
A path that does more than read a file needs both halves of a session (or the connection's own credentials), and works
with the rights of that user.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import cast

import msgspec
from aiohttp import web

from fairlead.apiserver.auth.authentication import bearer_token
from fairlead.apiserver.auth.tokens import InvalidToken, expiry_of
from fairlead.apiserver.model import ANONYMOUS, User
from fairlead.apiserver.pages import PREFIX, Backend
from fairlead.apiserver.serialization.errors import error_response
from fairlead.base.dataclass import dataclass
from fairlead.machinery.values.status import StatusError, bad_request, method_not_allowed
from fairlead.webui.explaining import Explaining, why
from fairlead.webui.files import INDEX, LOGIN, PUBLIC, StaticFile, read_all
from fairlead.webui.guard import SECURITY, cookie_header, cookies_in, is_from, key_in, login_origin
from fairlead.webui.packets import Packets
from fairlead.webui.sessions import BORROWED_S, SESSION_S, Login, Session, Sessions
from fairlead.webui.stream import serve_stream

_MAX_LOGIN = 16 << 10
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Visit:
    """One request, its user and the session that names the user, if one does."""

    request: web.BaseRequest
    user: User
    session: Session | None
    backend: Backend


class Site:
    def __init__(self, sessions: Sessions, explaining: Explaining, packets: Packets) -> None:
        self._sessions = sessions
        self._files = read_all()
        self._explaining = explaining
        self._packets = packets
        self._actions: Mapping[tuple[str, str], Callable[[Visit], Awaitable[web.StreamResponse]]] = {
            ("POST", "token"): self._make_token,
            ("GET", "session"): self._show_session,
            ("DELETE", "session"): self._log_out,
            ("GET", "stream"): self._stream,
            ("GET", "why"): self._why,
            ("GET", "trace"): self._trace,
            ("POST", "trace"): self._live_trace,
            ("GET", "rules"): self._rules,
        }

    def user_of(self, headers: Mapping[str, str]) -> User | None:
        """Implements `Pages`."""
        session = self._session(headers)
        return session.user if session is not None else None

    async def answer(self, request: web.BaseRequest, user: User, backend: Backend) -> web.StreamResponse:
        """Implements `Pages`."""
        name = request.path.removeprefix(PREFIX).removeprefix("/")
        try:
            if request.path == PREFIX:
                return _with_security(web.Response(status=308, headers={"Location": f"{PREFIX}/"}))
            if (request.method, name) == ("POST", "session"):
                return await self._log_in(request, user)
            methods = {method for method, action in self._actions if action == name}
            if not methods:
                return self._file(request, name or INDEX, user)
            if request.method not in methods:
                raise method_not_allowed()
            if user is ANONYMOUS:
                raise StatusError(401, "Unauthorized", "no session: call `fairlead ui` again")
            visit = Visit(request, user, self._session(cast("Mapping[str, str]", request.headers)), backend)
            return await self._actions[request.method, name](visit)
        except StatusError as error:
            answer = error_response(error)
            return _with_security(web.Response(status=answer.status, body=answer.body, content_type=_JSON))

    def _session(self, headers: Mapping[str, str]) -> Session | None:
        """Returns the session of a request, or None if it shows no key. Raises StatusError 401."""
        key = key_in(headers)
        if not key:
            return None
        session = self._sessions.of(cookies_in(headers), key)
        if session is None:
            raise StatusError(401, "Unauthorized", "the session has ended: call `fairlead ui` again")
        if not is_from(session.origin, headers):
            raise StatusError(401, "Unauthorized", "the request comes from another origin than the login")
        return session

    def _file(self, request: web.BaseRequest, name: str, user: User) -> web.Response:
        """Returns a file; without a session the login page instead of the index, and 401 for other files."""
        if request.method not in ("GET", "HEAD"):
            raise method_not_allowed()
        headers = cast("Mapping[str, str]", request.headers)
        if name == "login":
            name = LOGIN
        if name not in PUBLIC and user is ANONYMOUS:
            sessions = self._sessions.of_cookies(cookies_in(headers))
            if not any(is_from(session.origin, headers) for session in sessions):
                if name != INDEX:
                    raise StatusError(401, "Unauthorized", "no session: call `fairlead ui`")
                name = LOGIN
        found = self._files.get(name)
        if found is None:
            raise StatusError(404, "NotFound", f"unknown file of the page: {name!r}")
        return _file_response(request, found)

    async def _log_in(self, request: web.BaseRequest, user: User) -> web.Response:
        """Begins a session from a one-time token, or from credentials of the request itself."""
        headers = cast("Mapping[str, str]", request.headers)
        origin = login_origin(headers)
        if not origin:
            raise StatusError(403, "Forbidden", "a login must come from the page itself")
        seconds = self._lifetime(headers)
        if user is ANONYMOUS:
            redeemed = self._sessions.redeem(await _token_in(request))
            if redeemed is None:
                raise StatusError(401, "Unauthorized", "the token is unknown, was used or is older than a minute")
            user, seconds = redeemed
        for earlier in self._sessions.of_cookies(cookies_in(headers)):
            if earlier.origin == origin:
                self._sessions.end(earlier)
        login = self._sessions.begin(user, origin, seconds=seconds)
        response = _json({"key": login.key, "user": user.name})
        response.headers["Set-Cookie"] = _cookie(login, seconds)
        return response

    async def _make_token(self, visit: Visit) -> web.Response:
        """Makes a token for a session that lasts no longer than the credentials of this request."""
        headers = cast("Mapping[str, str]", visit.request.headers)
        seconds = self._sessions.left(visit.session) if visit.session is not None else self._lifetime(headers)
        return _json({"token": self._sessions.make_token(visit.user, seconds=seconds)}, status=201)

    def _lifetime(self, headers: Mapping[str, str]) -> float:
        """Returns how long a session lasts that begins with the credentials of a request."""
        try:
            token = bearer_token(headers)
        except (InvalidToken, ValueError):
            return BORROWED_S
        if not token:
            return SESSION_S
        expiry = expiry_of(token)
        return BORROWED_S if expiry is None else min(BORROWED_S, self._sessions.left_of(expiry))

    async def _show_session(self, visit: Visit) -> web.Response:
        return _json({"user": visit.user.name, "groups": list(visit.user.groups)})

    async def _log_out(self, visit: Visit) -> web.Response:
        if visit.session is not None:
            self._sessions.end(visit.session)
        return _json({})

    async def _stream(self, visit: Visit) -> web.StreamResponse:
        return await serve_stream(
            visit.request, visit.backend, visit.user, alive=partial(self._is_alive, visit.session)
        )

    def _is_alive(self, session: Session | None) -> bool:
        return session is None or self._sessions.is_alive(session)

    async def _why(self, visit: Visit) -> web.Response:
        return _json(await why(visit.backend, visit.user, visit.request.query, self._explaining))

    async def _trace(self, visit: Visit) -> web.Response:
        return _json(await self._packets.trace(visit.backend, visit.user, visit.request.query))

    async def _live_trace(self, visit: Visit) -> web.Response:
        """Traces a packet that is really sent, and so needs a method that is not a read."""
        alive = partial(self._is_alive, visit.session)
        return _json(await self._packets.live(visit.backend, visit.user, visit.request.query, alive=alive))

    async def _rules(self, visit: Visit) -> web.Response:
        return _json(await self._packets.rules(visit.backend, visit.user, visit.request.query))


async def _token_in(request: web.BaseRequest) -> str:
    if request.content_type != _JSON:
        raise bad_request(f"the content type must be {_JSON}")
    body = bytearray()
    async for piece in request.content.iter_any():
        body += piece
        if len(body) > _MAX_LOGIN:
            raise bad_request("the body is too large")
    try:
        token = msgspec.json.decode(body)["token"]
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise bad_request('the body must be {"token": "…"}') from error
    return str(token)


def _cookie(login: Login, seconds: float) -> str:
    secure = login.session.origin.startswith("https:")
    return cookie_header(login.cookie_name, login.cookie, secure=secure, max_age_s=int(seconds))


def _file_response(request: web.BaseRequest, file: StaticFile) -> web.Response:
    headers = {"ETag": file.etag, "Cache-Control": "private, no-cache"}
    if file.etag in request.headers.get("if-none-match", ""):
        return _with_security(web.Response(status=304, headers=headers))
    return _with_security(web.Response(body=file.body, headers={**headers, "Content-Type": file.content_type}))


def _json(tree: object, status: int = 200) -> web.Response:
    response = web.Response(status=status, body=msgspec.json.encode(tree), content_type=_JSON)
    response.headers["Cache-Control"] = "no-store"
    return _with_security(response)


def _with_security(response: web.Response) -> web.Response:
    response.headers.update(SECURITY)
    return response
