"""The time of day and the steady clock."""

from __future__ import annotations

import pytest

from fairlead.base.clock import ClockSetting, FakeClock


@pytest.mark.parametrize("days", [-3, 3])
def test_a_clock_that_is_set_is_noticed_once(days: int) -> None:
    clock = FakeClock()
    setting = ClockSetting(clock)
    clock.advance(3600)
    assert not setting.was_set()
    clock.set_by(days * 86_400)
    assert setting.was_set()
    assert not setting.was_set()


def test_slow_corrections_are_not_settings() -> None:
    clock = FakeClock()
    setting = ClockSetting(clock)
    for _ in range(100):
        clock.set_by(0.5)
        assert not setting.was_set()
