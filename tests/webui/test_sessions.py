"""One-time tokens and sessions: used once, both halves needed, ended by time and by their number."""

from __future__ import annotations

from itertools import count

from fairlead.apiserver.model import User
from fairlead.base.clock import FakeClock
from fairlead.webui.sessions import SESSION_S, TOKEN_S, Login, Sessions

ALICE = User("alice", ("dev",))
ORIGIN = "http://127.0.0.1:8080"


def make(clock: FakeClock | None = None) -> Sessions:
    numbers = count()
    return Sessions(clock=clock or FakeClock(), random=lambda: f"secret-{next(numbers)}")


def cookie(login: Login) -> dict[str, str]:
    return {login.cookie_name: login.cookie}


def test_a_token_works_once() -> None:
    sessions = make()
    token = sessions.make_token(ALICE)
    assert sessions.redeem(token) == (ALICE, SESSION_S)
    assert sessions.redeem(token) is None


def test_a_token_ends_after_a_minute() -> None:
    clock = FakeClock()
    sessions = make(clock)
    token = sessions.make_token(ALICE)
    clock.advance(TOKEN_S)
    assert sessions.redeem(token) is None


def test_a_session_needs_both_of_its_own_halves() -> None:
    sessions = make()
    first, second = sessions.begin(ALICE, ORIGIN), sessions.begin(User("bob"), ORIGIN)
    assert sessions.of(cookie(first), first.key) is first.session
    assert sessions.of(cookie(first), second.key) is None
    assert sessions.of(cookie(first), "") is None
    assert sessions.of({}, first.key) is None
    assert sessions.of({"other": first.cookie}, first.key) is None


def test_a_browser_with_the_cookies_of_two_clusters_finds_its_session() -> None:
    sessions = make()
    login = sessions.begin(ALICE, ORIGIN)
    assert sessions.of({"fairlead-ui-other": "x"} | cookie(login), login.key) is login.session


def test_a_session_ends_by_time_and_by_logging_out() -> None:
    clock = FakeClock()
    sessions = make(clock)
    login, other = sessions.begin(ALICE, ORIGIN), sessions.begin(ALICE, ORIGIN)
    sessions.end(other.session)
    assert sessions.of(cookie(other), other.key) is None
    assert not sessions.is_alive(other.session)
    assert sessions.is_alive(login.session)
    clock.advance(SESSION_S)
    assert sessions.of(cookie(login), login.key) is None
    assert not sessions.is_alive(login.session)


def test_neither_half_is_kept_in_plain_text() -> None:
    sessions = make()
    login, token = sessions.begin(ALICE, ORIGIN), sessions.make_token(ALICE)
    kept = repr(vars(sessions))
    assert not [secret for secret in (login.cookie, login.key, token) if secret in kept]


def test_many_logins_end_the_oldest_and_take_no_more_memory() -> None:
    sessions = make()
    first = sessions.begin(ALICE, ORIGIN)
    token = sessions.make_token(ALICE)
    for _ in range(300):
        sessions.begin(ALICE, ORIGIN)
        sessions.make_token(ALICE)
    assert sessions.of(cookie(first), first.key) is None
    assert sessions.redeem(token) is None


def test_logins_of_one_user_end_no_session_of_others() -> None:
    sessions = make()
    login, token = sessions.begin(ALICE, ORIGIN), sessions.make_token(ALICE)
    for _ in range(300):
        sessions.begin(User("mallory"), ORIGIN)
        sessions.make_token(User("mallory"))
    assert sessions.is_alive(login.session)
    assert sessions.redeem(token) == (ALICE, SESSION_S)


def test_if_many_users_fill_the_memory_the_one_with_the_most_sessions_loses_one_and_ended_ones_go_first() -> None:
    clock = FakeClock()
    sessions = make(clock)
    ended = [sessions.begin(User(f"early-{n}"), ORIGIN, seconds=1) for n in range(200)]
    clock.advance(1)
    logins = [sessions.begin(ALICE, ORIGIN) for _ in range(3)]
    others = [sessions.begin(User(f"user-{n}"), ORIGIN) for n in range(254)]
    assert [sessions.is_alive(login.session) for login in logins] == [False, True, True]
    assert all(sessions.is_alive(other.session) for other in others)
    assert not any(sessions.is_alive(login.session) for login in ended)
