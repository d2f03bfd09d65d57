"""Recognises templates of manifests (Helm, Jinja): they are YAML only after they are rendered. Pure."""

from __future__ import annotations

import re
from pathlib import PurePath

from fairlead.base.texts import Text, text
from fairlead.lint.problem import Problem, Span
from fairlead.lint.repair import outside_block_scalars

_BARE = re.compile(r"(?:^[ \t]*(?:-[ ]+)*|:[ ]+|[\[,][ ]*)(\{\{.*)")
"""An action in place of a value, without quotes: YAML reads its braces as a mapping within a mapping."""
_HELM = re.compile(r"\{\{-?[ ]*(?:.*[( ])?(?:[.$]+(?:Values|Release|Chart|Capabilities|Files)\b"
                   r"|(?:include|template|define|block|tpl|toYaml|if|else|range|with|end)\b)")  # fmt: skip
_HELM_OBJECT = re.compile(r"\{\{[^}]*[.](?:Values|Release|Chart|Capabilities)\b")
_JINJA = re.compile(r"^[ \t]*(\{%-?[ ].*)")


def find_template(file: str, source: str) -> Problem | None:
    """Returns the first line that must be rendered; None if the text is a manifest."""
    rows = [(at, line) for at, line in outside_block_scalars(source.splitlines()) if not line.lstrip().startswith("#")]
    for at, line in rows:
        found = _BARE.search(line) or _JINJA.match(line)
        if found is not None:
            return _problem(
                file, Span(at, found.start(1), len(line.rstrip())), is_helm=any(_HELM.search(one) for _, one in rows)
            )
        quoted = _HELM_OBJECT.search(line)
        if quoted is not None:
            return _problem(file, Span(at, quoted.start(), len(line.rstrip())), is_helm=True)
    return None


def _problem(file: str, span: Span, *, is_helm: bool) -> Problem:
    if is_helm:
        message = text("this is a template of Helm and not a manifest: render it first")
        return Problem("template", "error", file, span, message, help=_command(file))
    message = text("this is a template and not a manifest: render it first, and check the result")
    return Problem("template", "error", file, span, message)


def _command(file: str) -> Text:
    parts = PurePath(file).parts
    chart = str(PurePath(*parts[: parts.index("templates")])) if "templates" in parts[1:] else "CHART"
    return text("check what Helm makes of it: {command}", command=f"helm template {chart} | fairlead lint -")
