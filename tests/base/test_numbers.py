from __future__ import annotations

import pytest

from fairlead.base.numbers import integer, natural, port_number

FOREIGN = ("٣", "²", "1_0", " 1", "1 ", "", "0x1", "1.0", "१", "1\n", "-", "+")


@pytest.mark.parametrize("text", FOREIGN)
def test_what_is_no_number_to_go_is_none_here(text: str) -> None:
    with pytest.raises(ValueError, match="invalid syntax"):
        integer(text)
    assert natural(text) is None
    assert port_number(text) is None


def test_integers_have_signs_and_bounds() -> None:
    assert [integer(text) for text in ("0", "-5", "+7", "007", str(2**63 - 1), str(-(2**63)))] == [
        *(0, -5, 7, 7),
        *(2**63 - 1, -(2**63)),
    ]
    for text in (str(2**63), str(-(2**63) - 1), "9" * 5000):
        with pytest.raises(ValueError, match="value out of range"):
            integer(text)
    with pytest.raises(ValueError, match="value out of range"):
        integer("2147483648", bound=1 << 31)


def test_ports_are_in_their_range() -> None:
    assert [port_number(text) for text in ("1", "65535", "080")] == [1, 65535, 80]
    assert [port_number(text) for text in ("0", "65536", "-1", "+1", "9" * 5000)] == [None] * 5
