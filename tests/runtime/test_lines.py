from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fairlead.runtime.lines import LineSplitter


@given(st.binary(max_size=40).map(lambda b: b.replace(b"\x00", b"\n")), st.lists(st.integers(0, 40), max_size=6))
def test_lines_are_the_same_however_the_bytes_are_cut(data: bytes, cuts: list[int]) -> None:
    splitter = LineSplitter()
    ends = sorted({*(min(c, len(data)) for c in cuts), len(data)})
    found, start = list[bytes](), 0
    for end in ends:
        found += splitter.feed(data[start:end])
        start = end
    assert found == [line for line in data.split(b"\n")[:-1] if line]
