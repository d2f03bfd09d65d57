"""Tables as kubectl prints them."""

from __future__ import annotations

from fairlead.cli.table import render, render_table


def test_columns_are_as_wide_as_their_widest_cell_and_three() -> None:
    assert render(["NAME", "N"], [["a", "1"], ["longer", "22"]]) == "NAME     N\na        1\nlonger   22"


def test_a_server_s_table_shows_wide_columns_only_when_asked() -> None:
    table = {
        "columnDefinitions": [{"name": "Name", "priority": 0}, {"name": "Ready"}, {"name": "IP", "priority": 1}],
        "rows": [{"cells": ["a", True, None]}],
    }
    assert render_table(table) == "NAME   READY\na      true"
    assert render_table(table, wide=True) == "NAME   READY   IP\na      true    <none>"


def test_a_table_without_rows_is_its_header() -> None:
    assert render_table({"columnDefinitions": [{"name": "Name"}], "rows": None}) == "NAME"
