"""Every possible sequence of draws is made once, with its probability."""

from __future__ import annotations

import random

import pytest

from fairlead.net.trace import Dice, RandomDice, explore


def test_each_draw_is_made_with_its_probability() -> None:
    def run(dice: Dice) -> tuple[int, ...]:
        first = dice.draw(3)
        return (first, dice.draw(2)) if first == 1 else (first,)

    found = {branch.result: branch.probability for branch in explore(run)}
    assert found == pytest.approx({(0,): 1 / 3, (1, 0): 1 / 6, (1, 1): 1 / 6, (2,): 1 / 3})


def test_chances_of_lines_as_iptables_has_them_are_equal_for_each_endpoint() -> None:
    def run(dice: Dice) -> int:
        return next(n for n, left in enumerate((4, 3, 2, 1)) if left == 1 or dice.chance(1 / left))

    assert {b.result: b.probability for b in explore(run)} == pytest.approx(dict.fromkeys(range(4), 1 / 4))


def test_what_cannot_happen_is_not_explored() -> None:
    assert [b.result for b in explore(lambda dice: (dice.chance(1.0), dice.chance(0.0)))] == [(True, False)]


def test_the_number_of_branches_is_limited() -> None:
    assert len(list(explore(lambda dice: dice.draw(1000), limit=7))) == 7


def test_random_dice_draw_as_often_as_the_probability_says() -> None:
    dice = RandomDice(random.Random(1))
    assert {dice.draw(2) for _ in range(50)} == {0, 1}
    assert 150 < sum(dice.chance(0.25) for _ in range(800)) < 250
