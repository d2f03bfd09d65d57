"""The skips that fail a run on a machine with root's packages."""

from __future__ import annotations

import pytest

from tests.conftest import MAY_SKIP, refuse_skip


def refused(reason: str) -> pytest.TestReport:
    where = ("tests/test_x.py", 1, f"Skipped: {reason}")
    report = pytest.TestReport("x", ("x", 1, "x"), {}, "skipped", where, "setup")
    refuse_skip(report)
    return report


def test_a_test_that_lacks_a_program_fails_with_the_install_command() -> None:
    report = refused("dig is not installed")
    assert report.failed
    assert report.longrepr == "skipped: dig is not installed: install what is missing: tools/host-packages test python3"


@pytest.mark.parametrize("reason", MAY_SKIP)
def test_a_reason_that_no_package_cures_stays_a_skip(reason: str) -> None:
    assert refused(f"{reason} (3, 12)").skipped
