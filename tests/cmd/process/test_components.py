"""The pause before a component is restarted."""

from __future__ import annotations

from fairlead.cmd.process.components import FIRST_PAUSE_S, LONGEST_PAUSE_S, STEADY_S, Attempts


def test_the_first_restart_comes_at_once_and_later_ones_wait_longer() -> None:
    attempts, now, pauses = Attempts(), 100.0, []
    for _ in range(12):
        attempts.started = now
        due = attempts.record_end(now)
        pauses.append(due - now)
        now = due
    assert round(pauses[0], 6) == FIRST_PAUSE_S
    assert pauses == sorted(pauses)
    assert round(pauses[-1], 6) == LONGEST_PAUSE_S
    assert attempts.restarts == 12


def test_a_steady_life_is_forgiven() -> None:
    attempts = Attempts()
    for _ in range(8):
        attempts.record_end(0.0)
    attempts.started = 50.0
    assert round(attempts.record_end(50.0 + STEADY_S) - (50.0 + STEADY_S), 6) == FIRST_PAUSE_S
