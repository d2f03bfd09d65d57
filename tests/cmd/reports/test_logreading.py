"""Logs of components as one stream: records, their order, rotation."""

from __future__ import annotations

from pathlib import Path

from fairlead.cmd.reports.logreading import LogReader, LogRecord, merged, records, rendered

A, B, C = (f"2026-01-02T03:04:0{i}.000Z" for i in (1, 2, 3))


def test_lines_without_a_time_belong_to_the_record_before() -> None:
    found = records(["early", f"{A} E api  failed", "Traceback", f"{B} I api  fine"], "api")
    assert [(one.time, one.lines) for one in found] == [
        ("", ("early",)),
        (A, (f"{A} E api  failed", "Traceback")),
        (B, (f"{B} I api  fine",)),
    ]


def test_several_logs_are_merged_by_time_and_each_keeps_its_order() -> None:
    one = [LogRecord("", "x", ("0",)), LogRecord(B, "x", ("1",)), LogRecord(A, "x", ("2",))]
    two = [LogRecord(A, "y", ("3",)), LogRecord(C, "y", ("4",))]
    assert [record.lines[0] for record in merged([one, two])] == ["0", "3", "1", "2", "4"]
    assert list(rendered(two[0], 0)) == ["3"]
    assert list(rendered(two[0], 4)) == ["y     3"]


def test_a_reader_returns_whole_new_lines_also_after_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "relay.log"
    reader = LogReader(path)
    assert reader.read() == []
    path.write_text(f"{A} one\n{B} tw")
    assert [one.lines for one in reader.read()] == [(f"{A} one",)]
    with path.open("a") as file:
        file.write("o\n")
    assert [one.lines for one in reader.read()] == [(f"{B} two",)]
    assert reader.read() == []
    path.write_text(f"{C}\n")
    assert [one.lines for one in reader.read()] == [(f"{C}",)]
