from __future__ import annotations

import asyncio
import random

import pytest

from tests.fuzz.check import Fuzz
from tests.fuzz.http import fuzz_http
from tests.fuzz.requests import Requests


@pytest.mark.slow
def test_requests_continue_after_any_damaged_body() -> None:
    """Uses a seed whose 13,587th patch had a number as body before a part of it was removed."""
    requests = Requests(random.Random(7))
    assert all(requests.next().path.startswith("/") for _ in range(14_000))


@pytest.mark.slow
def test_no_request_causes_a_500_or_an_unreadable_object() -> None:
    fuzz = Fuzz(seed=7)
    asyncio.run(fuzz.run(2000))
    assert not fuzz.problems, "\n".join(fuzz.problems[:5])
    assert fuzz.statuses[201] > 50
    assert fuzz.statuses[422] > 50


@pytest.mark.slow
def test_nor_does_one_over_a_real_connection() -> None:
    fuzz = fuzz_http(200, seed=7)
    assert not fuzz.problems, "\n".join(fuzz.problems[:5])
    assert fuzz.statuses[201] > 0, "every write was refused, so that the run has tested nothing"
