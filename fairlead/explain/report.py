"""Renders a diagnosis: the verdict first, then the chain of checks."""

from __future__ import annotations

from typing import Any

from fairlead.explain.diagnose import Diagnosis, Step
from fairlead.explain.finding import Status

_MARKS = {Status.OK: "✓", Status.NOTE: "!", Status.FAULT: "✗", Status.UNKNOWN: "?"}


def sentence(diagnosis: Diagnosis) -> str:
    """Returns the verdict as one sentence."""
    cause = diagnosis.decisive.cause
    return {
        Status.OK: f"{diagnosis.subject} works as far as the checks can tell",
        Status.NOTE: f"{diagnosis.subject} works; note: {cause}",
        Status.FAULT: f"{diagnosis.subject} does not work: {cause}",
        Status.UNKNOWN: f"cannot tell if {diagnosis.subject} works: {cause}",
    }[diagnosis.status]


def render(diagnosis: Diagnosis) -> str:
    """Returns the text for a terminal."""
    decisive = diagnosis.decisive
    lines = [sentence(diagnosis)]
    lines += [f"  evidence: {text}" for text in decisive.evidence]
    if decisive.cure:
        lines.append(f"  cure: {decisive.cure}")
    stages = max(len(step.check.stage) for step in diagnosis.steps)
    lines.append("")
    for step in diagnosis.steps:
        lines += _chain(step, stages, decisive=step.finding is decisive)
    return "\n".join(lines)


def _chain(step: Step, width: int, *, decisive: bool) -> list[str]:
    finding = step.finding
    lines = [f"{_MARKS[finding.status]} {step.check.stage.ljust(width)}  {finding.cause or finding.looked_at}"]
    if not decisive:  # the verdict has shown them already
        indent = " " * (width + 4)
        lines += [f"{indent}{text}" for text in finding.evidence]
        lines += [f"{indent}cure: {finding.cure}"] if finding.cure else []
    return lines


def as_tree(diagnosis: Diagnosis) -> dict[str, Any]:
    """Returns the tree for `-o json`."""
    decisive = diagnosis.decisive
    return {
        "subject": diagnosis.subject,
        "verdict": diagnosis.status.value,
        "sentence": sentence(diagnosis),
        "cause": decisive.cause,
        "evidence": list(decisive.evidence),
        "cure": decisive.cure,
        "checks": [
            {
                "check": step.check.name,
                "stage": step.check.stage,
                "status": step.finding.status.value,
                "lookedAt": step.finding.looked_at,
                "cause": step.finding.cause,
                "evidence": list(step.finding.evidence),
                "cure": step.finding.cure,
            }
            for step in diagnosis.steps
        ],
    }
