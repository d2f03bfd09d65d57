"""Runs the checks and draws the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fairlead.base.texts import Text, text
from fairlead.explain.checks import Check, checks_of
from fairlead.explain.finding import Finding, Status
from fairlead.explain.snapshot import Snapshot

_WEIGHT = (Status.FAULT, Status.UNKNOWN, Status.NOTE, Status.OK)


class Step(NamedTuple):
    check: Check
    finding: Finding


class Diagnosis(NamedTuple):
    subject: Text
    """The object, as `svc/NAME` and its namespace."""
    steps: Sequence[Step]

    @property
    def decisive(self) -> Finding:
        """The finding that the verdict is about: the first of the heaviest status."""
        return min((step.finding for step in self.steps), key=lambda finding: _WEIGHT.index(finding.status))

    @property
    def status(self) -> Status:
        return self.decisive.status

    @property
    def is_unexplained(self) -> bool:
        """True if only a connection that failed shows the fault: the rules may explain it."""
        decisive = next(step for step in self.steps if step.finding is self.decisive)
        return decisive.check.name == "connection" and self.status is Status.FAULT

    @property
    def exit_code(self) -> int:
        """0 the Service works, 1 a cause is found, 2 the checks cannot tell."""
        return {Status.FAULT: 1, Status.UNKNOWN: 2}.get(self.status, 0)


def diagnose(snapshot: Snapshot) -> Diagnosis:
    """Returns the findings in the order of a connection's path; only the first if the object does not exist."""
    checks = checks_of(snapshot.kind)
    if snapshot.service is None and snapshot.chosen is None and snapshot.ingress is None:
        checks = checks[:1]
    steps = [Step(check, finding) for check in checks if (finding := check.find(snapshot)) is not None]
    subject = text(
        "{kind}/{name} in namespace {namespace}",
        kind=snapshot.kind,
        name=snapshot.name,
        namespace=snapshot.namespace,
    )
    return Diagnosis(subject, steps)
