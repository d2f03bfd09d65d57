"""Renders a diagnosis: the verdict first, then the chain of checks."""

from __future__ import annotations

from typing import Any
from unicodedata import east_asian_width

from fairlead.base.texts import ENGLISH, Catalogue, Text, text
from fairlead.explain.diagnose import Diagnosis, Step
from fairlead.explain.finding import Status
from fairlead.explain.words import Message

_MARKS = {Status.OK: "✓", Status.NOTE: "!", Status.FAULT: "✗", Status.UNKNOWN: "?"}
_STAGES: dict[str, Message] = {
    "name": text("name"),
    "DNS": "DNS",
    "address": text("address"),
    "rules": text("rules"),
    "endpoint": text("endpoint"),
    "Pod": text("Pod"),
    "process": text("process"),
    "connection": text("connection"),
    "workload": text("workload"),
    "controller": text("controller"),
}
"""The parts of a connection's path, as a reader sees them."""


def sentence(diagnosis: Diagnosis) -> Text:
    """Returns the verdict as one sentence."""
    subject, cause = diagnosis.subject, diagnosis.decisive.cause
    return {
        Status.OK: text("{subject} works as far as the checks can tell", subject=subject),
        Status.NOTE: text("{subject} works; note: {cause}", subject=subject, cause=cause),
        Status.FAULT: text("{subject} does not work: {cause}", subject=subject, cause=cause),
        Status.UNKNOWN: text("cannot tell if {subject} works: {cause}", subject=subject, cause=cause),
    }[diagnosis.status]


def render(diagnosis: Diagnosis, messages: Catalogue | None = None) -> str:
    """Returns the text for a terminal, in the language of the catalogue (default: English)."""
    return "\n".join(_Report(messages or Catalogue(ENGLISH, {})).lines(diagnosis))


class _Report:
    def __init__(self, messages: Catalogue) -> None:
        self._messages = messages

    def lines(self, diagnosis: Diagnosis) -> list[str]:
        decisive = diagnosis.decisive
        lines = [self._say(sentence(diagnosis))]
        lines += [self._say(text("  evidence: {evidence}", evidence=one)) for one in decisive.evidence]
        if decisive.cure:
            lines.append(self._say(text("  cure: {cure}", cure=decisive.cure)))
        width = max(_width(self._say(_STAGES[step.check.stage])) for step in diagnosis.steps)
        lines.append("")
        for step in diagnosis.steps:
            lines += self._chain(step, width, decisive=step.finding is decisive)
        return lines

    def _chain(self, step: Step, width: int, *, decisive: bool) -> list[str]:
        finding, stage = step.finding, self._say(_STAGES[step.check.stage])
        padding = " " * (width - _width(stage))
        lines = [f"{_MARKS[finding.status]} {stage}{padding}  {self._say(finding.cause or finding.looked_at)}"]
        if not decisive:  # the verdict has shown them already
            indent = " " * (width + 4)
            lines += [f"{indent}{self._say(one)}" for one in finding.evidence]
            lines += [indent + self._say(text("cure: {cure}", cure=finding.cure))] if finding.cure else []
        return lines

    def _say(self, message: Message) -> str:
        return self._messages.render(message) if isinstance(message, Text) else message


def _width(shown: str) -> int:
    """Returns the number of columns of a terminal; Korean letters take two."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in shown)


def as_tree(diagnosis: Diagnosis) -> dict[str, Any]:
    """Returns the tree for `-o json`, in English."""
    decisive = diagnosis.decisive
    return {
        "subject": str(diagnosis.subject),
        "verdict": diagnosis.status.value,
        "sentence": str(sentence(diagnosis)),
        "cause": str(decisive.cause),
        "evidence": [str(one) for one in decisive.evidence],
        "cure": str(decisive.cure),
        "checks": [
            {
                "check": step.check.name,
                "stage": step.check.stage,
                "status": step.finding.status.value,
                "lookedAt": str(step.finding.looked_at),
                "cause": str(step.finding.cause),
                "evidence": [str(one) for one in step.finding.evidence],
                "cure": str(step.finding.cure),
            }
            for step in diagnosis.steps
        ],
    }
