"""Histograms read from metrics, and their quantiles."""

from __future__ import annotations

import pytest

from fairlead.webui.histograms import Histogram, read_histogram

TEXT = """\
# TYPE wait_seconds histogram
wait_seconds_bucket{node="a",le="0.1"} 2
wait_seconds_bucket{node="a",le="1"} 4
wait_seconds_bucket{node="a",le="+Inf"} 4
wait_seconds_sum{node="a"} 1.5
wait_seconds_bucket{node="b",le="0.1"} 6
wait_seconds_bucket{node="b",le="1"} 6
wait_seconds_bucket{node="b",le="+Inf"} 6
wait_seconds_long_bucket{le="+Inf"} 9
"""
INFINITY = float("inf")


def test_a_histogram_is_summed_over_its_labels() -> None:
    assert read_histogram(TEXT, "wait_seconds").counts == {0.1: 8, 1: 10, INFINITY: 10}


def test_an_absent_histogram_is_empty() -> None:
    assert read_histogram(TEXT, "nothing").quantiles() == [0.0, None, None, None]


def test_quantiles_assume_an_even_spread_within_a_bucket() -> None:
    assert read_histogram(TEXT, "wait_seconds").quantiles() == [
        10,
        pytest.approx(0.0625),
        pytest.approx(0.55),
        pytest.approx(0.955),
    ]


def test_a_quantile_beyond_the_last_bound_is_that_bound() -> None:
    assert Histogram({0.1: 0, INFINITY: 3}).quantiles()[1] == 0.1


def test_the_difference_is_what_happened_since_and_a_restart_counts_from_zero() -> None:
    before, after = Histogram({1: 2, INFINITY: 3}), Histogram({1: 5, INFINITY: 7})
    assert after.since(before).counts == {1: 3, INFINITY: 4}
    assert before.since(after) == before
    assert after.since(None) == after


def test_histograms_add_up() -> None:
    assert (Histogram({1: 2}) + Histogram({1: 3, 2: 4})).counts == {1: 5, 2: 4}
