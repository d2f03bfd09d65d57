"""Every broken set-up of `setups/` gets its true cause as the verdict."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairlead.base.texts import catalogue
from fairlead.explain.checks import CHECKS
from fairlead.explain.report import render
from fairlead.runtime.fake import run_jumping
from tests.explain.english import english_in
from tests.explain.world import explain, read

ROOT = Path(__file__).parents[2]
KOREAN = catalogue("fairlead.explain", "ko")
SETUPS = sorted((Path(__file__).parent / "setups").glob("*.yaml"))


@pytest.mark.slow
@pytest.mark.parametrize("path", SETUPS, ids=lambda path: path.stem)
def test_the_verdict_on_a_broken_set_up_is_its_true_cause(path: Path) -> None:
    setup = read(path)
    arguments = dict(zip(setup.why[1::2], setup.why[2::2], strict=True))
    answers: list[bytes] = []
    diagnosis = run_jumping(
        explain(
            setup.documents,
            setup.why[0],
            namespace=arguments.get("-n", "default"),
            port=arguments.get("--port", ""),
            read=answers,
        )
    )
    decisive = next(step for step in diagnosis.steps if step.finding is diagnosis.decisive)
    text = render(diagnosis)
    assert decisive.check.name == setup.expected["check"], f"{setup.sentence}\n{text}"
    assert any("가" <= letter <= "힣" for letter in render(diagnosis, KOREAN).splitlines()[0]), text
    assert diagnosis.status.value == setup.expected.get("status", "fault"), text
    assert setup.expected["cause"] in str(decisive.finding.cause), text
    assert setup.expected.get("evidence", "") in "; ".join(map(str, decisive.finding.evidence)), text
    assert setup.expected.get("cure", "") in str(decisive.finding.cure), text
    assert list(english_in(diagnosis, answers)) == []


def test_there_are_at_least_twenty_set_ups_of_all_stages() -> None:
    assert len(SETUPS) >= 20


def test_the_page_has_a_row_for_every_check_of_a_service() -> None:
    page = (ROOT / "docs" / "why.md").read_text(encoding="utf-8")
    assert [check.name for check in CHECKS if f"| `{check.name}` |" not in page] == []
