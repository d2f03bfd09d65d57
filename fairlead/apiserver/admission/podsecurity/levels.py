"""The levels of a namespace, as its labels say. Pure. Source: upstream's `pod-security-admission/api`."""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.base.dataclass import dataclass, replace
from fairlead.machinery.values.status import FieldError, invalid

PREFIX = "pod-security.kubernetes.io/"
LEVELS = ("privileged", "baseline", "restricted")
LATEST = 1 << 30
"""The minor version that stands for `latest`."""
_LONGEST = 9
"""Greatest number of digits of a minor version that is read."""


@dataclass(frozen=True, slots=True)
class Level:
    """A level with the version of its checks."""

    name: str = "privileged"
    minor: int = LATEST

    @property
    def strictness(self) -> int:
        return LEVELS.index(self.name)

    def __str__(self) -> str:
        return f"{self.name}:{'latest' if self.minor == LATEST else f'v1.{self.minor}'}"


@dataclass(frozen=True, slots=True)
class Levels:
    """The levels of a namespace: what is refused, noted in the audit log, and warned about."""

    enforce: Level = Level()
    audit: Level = Level()
    warn: Level = Level()

    @property
    def privileged(self) -> bool:
        """Returns whether nothing is to be checked."""
        return all(level.name == "privileged" for level in (self.enforce, self.audit, self.warn))


def levels_of(labels: Mapping[str, str]) -> tuple[Levels, list[FieldError]]:
    """Returns the levels that the labels of a namespace choose, and the errors of the labels. A level that cannot be
    read is `restricted` if it is enforced, else `privileged`."""
    errors: list[FieldError] = []
    enforce = _read(labels, "enforce", "restricted", errors)
    audit = _read(labels, "audit", "privileged", errors)
    warn = _read(labels, "warn", "privileged", errors)
    chosen = labels.get(f"{PREFIX}enforce") in LEVELS
    if f"{PREFIX}warn" not in labels and chosen and enforce.strictness > warn.strictness:
        warn = replace(warn, name=enforce.name)
        if f"{PREFIX}warn-version" not in labels:
            warn = replace(warn, minor=enforce.minor)
    return Levels(enforce, audit, warn), errors


def _read(labels: Mapping[str, str], mode: str, fallback: str, errors: list[FieldError]) -> Level:
    level, key = Level(), f"{PREFIX}{mode}"
    if (name := labels.get(key)) is not None:
        if name not in LEVELS:
            errors.append(invalid(f"metadata.labels[{key}]", name, f"must be one of {', '.join(LEVELS)}"))
            name = fallback
        level = replace(level, name=name)
    if (text := labels.get(f"{key}-version")) is not None and text != "latest":
        digits = text.removeprefix("v1.")
        if digits == text or not _is_minor(digits):
            errors.append(invalid(f"metadata.labels[{key}-version]", text, 'must be "latest" or "v1.x"'))
        else:
            level = replace(level, minor=int(digits))
    return level


def _is_minor(digits: str) -> bool:
    return digits.isascii() and digits.isdigit() and str(int(digits)) == digits and len(digits) <= _LONGEST
