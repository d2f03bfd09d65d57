"""Names of clusters."""

from __future__ import annotations

import re

from fairlead.cmd.errors import UsageError

NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")


def parse_name(text: str, source: str = "") -> str:
    """Returns the name. Raises UsageError, whose text begins with `source`."""
    if not NAME.fullmatch(text):
        raise UsageError(
            f'{source}invalid cluster name "{text}": use at most 40 lower-case letters, digits and "-", '
            "with a letter or digit at both ends"
        )
    return text
