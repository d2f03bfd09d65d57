"""The text that Prometheus reads."""

from __future__ import annotations

from fairlead.base.metrics import Family, Histogram, Sample, counter, gauge, render
from fairlead.base.process import process_families


def test_a_counter_and_a_gauge_are_shown_with_help_type_and_labels() -> None:
    families = [counter("a_total", "Things.", 3, (("x", "1"),)), gauge("b", "Share.", 0.25)]
    assert render(families) == (
        '# HELP a_total Things.\n# TYPE a_total counter\na_total{x="1"} 3\n# HELP b Share.\n# TYPE b gauge\nb 0.25\n'
    )


def test_values_of_labels_are_escaped() -> None:
    assert 'a{x="\\"\\\\\\n"} 1' in render([gauge("a", "A.", 1, (("x", '"\\\n'),))])


def test_families_of_one_name_share_their_header() -> None:
    families = [Family("a", "gauge", "A.", [Sample(n, (("family", str(n)),))]) for n in (4, 6)]
    assert render(families) == '# HELP a A.\n# TYPE a gauge\na{family="4"} 4\na{family="6"} 6\n'


def test_a_histogram_counts_each_value_in_every_bucket_from_its_bound_up() -> None:
    histogram = Histogram((0.5, 1))
    for value in (0.5, 0.75, 1, 2):
        histogram.add(value)
    histogram.add(0.1, times=2)
    text = render([Family("t", "histogram", "T.", list(histogram.samples((("a", "b"),))))])
    assert text.splitlines()[2:] == [
        't_bucket{a="b",le="0.5"} 3',
        't_bucket{a="b",le="1"} 5',
        't_bucket{a="b",le="+Inf"} 6',
        't_sum{a="b"} 4.45',
        't_count{a="b"} 6',
    ]


def test_a_process_shows_its_time_memory_and_descriptors() -> None:
    found = {family.name: family.samples[0].value for family in process_families()}
    assert 0 < found["process_resident_memory_bytes"] <= found["process_virtual_memory_bytes"]
    assert found["process_resident_memory_max_bytes"] > 0
    assert 3 <= found["process_open_fds"] <= found["process_max_fds"]
    assert found["process_start_time_seconds"] > 1_700_000_000
