"""One-time tokens and the sessions of browsers, in memory.

What must stay true: a token works once and for a minute. A session needs both its halves, the cookie and the key, and
the origin of its login; neither half is stored, only its hash. Limits bound the memory that logins can take.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from fairlead.apiserver.model import User
from fairlead.apiserver.pages import COOKIE_PREFIX
from fairlead.base.clock import Clock
from fairlead.base.dataclass import dataclass

TOKEN_S = 60.0
SESSION_S = 12 * 3600.0
BORROWED_S = 3600.0
"""Lifetime of a session that began with a bearer token, which itself would end after an hour by default."""
_MOST, _MOST_OF_USER = 256, 32
"""Largest number of tokens, and of sessions, of all users and of one; the oldest of the user with the most ends first,
so that logins of one user do not end the sessions of others."""


@dataclass(frozen=True, slots=True)
class _Token:
    user: User
    until: float
    session_until: float


@dataclass(frozen=True, slots=True)
class Session:
    user: User
    origin: str
    """Scheme, host and port of the page, as browsers write them."""
    until: float
    key_hash: bytes


@dataclass(frozen=True, slots=True)
class Login:
    """The halves of a new session."""

    cookie_name: str
    cookie: str
    key: str
    session: Session


class Sessions:
    """`random` returns a new text that cannot be guessed and is fit for URLs and cookies."""

    def __init__(self, *, clock: Clock, random: Callable[[], str]) -> None:
        self._clock = clock
        self._random = random
        self._tokens: dict[bytes, _Token] = {}
        self._sessions: dict[bytes, Session] = {}

    def make_token(self, user: User, *, seconds: float = SESSION_S) -> str:
        """Returns a one-time token for a session of the user, which ends at most so long after now."""
        token, now = self._random(), self._clock.monotonic()
        _make_room(self._tokens, user.name, now)
        self._tokens[_hash(token)] = _Token(user, now + min(TOKEN_S, seconds), now + seconds)
        return token

    def redeem(self, token: str) -> tuple[User, float] | None:
        """Returns the user of a one-time token, which ends with that, and the seconds that the session lasts."""
        found, now = self._tokens.pop(_hash(token), None), self._clock.monotonic()
        return (found.user, found.session_until - now) if found is not None and now < found.until else None

    def left(self, session: Session) -> float:
        """Returns the seconds that the session still lasts."""
        return session.until - self._clock.monotonic()

    def left_of(self, expiry: float) -> float:
        """Returns the seconds until a time of the clock, such as the expiry of a bearer token."""
        return expiry - self._clock.now()

    def begin(self, user: User, origin: str, *, seconds: float = SESSION_S) -> Login:
        cookie, key = self._random(), self._random()
        now = self._clock.monotonic()
        session = Session(user, origin, now + seconds, _hash(key))
        _make_room(self._sessions, user.name, now)
        self._sessions[_hash(cookie)] = session
        # Cookies do not distinguish ports, so two clusters need different names.
        return Login(f"{COOKIE_PREFIX}{_hash(cookie).hex()[:12]}", cookie, key, session)

    def of_cookies(self, cookies: Mapping[str, str]) -> list[Session]:
        """Returns the sessions that the cookies name. A browser may have those of several clusters."""
        found = (self._sessions.get(_hash(value)) for name, value in cookies.items() if name.startswith(COOKIE_PREFIX))
        now = self._clock.monotonic()
        return [session for session in found if session is not None and now < session.until]

    def of(self, cookies: Mapping[str, str], key: str) -> Session | None:
        """Returns the session with both halves."""
        hashed = _hash(key)
        return next((one for one in self.of_cookies(cookies) if hmac.compare_digest(one.key_hash, hashed)), None)

    def is_alive(self, session: Session) -> bool:
        return self._clock.monotonic() < session.until and any(one is session for one in tuple(self._sessions.values()))

    def end(self, session: Session) -> None:
        self._sessions = {name: one for name, one in self._sessions.items() if one is not session}


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


class _Entry(Protocol):
    @property
    def user(self) -> User: ...
    @property
    def until(self) -> float: ...


E = TypeVar("E", bound=_Entry)


def _make_room(entries: dict[bytes, E], user: str, now: float) -> None:
    """Removes what has ended, and then what stands in the way of a new entry of the user."""
    for name in [name for name, entry in entries.items() if entry.until <= now]:
        del entries[name]
    number = Counter(entry.user.name for entry in entries.values())
    if number[user] < _MOST_OF_USER:
        if len(entries) < _MOST:
            return
        user = max(number, key=lambda name: number[name])
    del entries[next(name for name, entry in entries.items() if entry.user.name == user)]
