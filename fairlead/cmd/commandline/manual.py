"""The manual page, made of the parser: what `--help` says of every command, as roff (man-pages(7), groff_man(7))."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from fairlead import __version__

_FILES = (
    ("$XDG_STATE_HOME/fairlead/NAME/", "settings, objects, logs, keys, volumes and snapshots of a cluster (mode 0700)"),
    ("$XDG_STATE_HOME/fairlead/.images/", "the images of all clusters of the user"),
    ("$XDG_CONFIG_HOME/fairlead/images.toml", "further host images"),
    ("$XDG_CONFIG_HOME/fairlead/registries.toml", "mirrors and insecure registries"),
    ("$XDG_CONFIG_HOME/fairlead/seccomp/", "seccomp profiles of the type Localhost"),
)
_ENVIRONMENT = (
    ("FAIRLEAD_NAME", "name of the cluster if --name is not given"),
    ("FAIRLEAD_UPSTREAM", "default of `up --upstream`"),
    ("FAIRLEAD_REGISTRIES", "default of `up --registries`"),
    ("FAIRLEAD_DEBUG", "if set, internal errors show where they happened"),
    ("KUBECONFIG", "file to which `up` and `demo` add a context (default: ~/.kube/config)"),
    ("NO_COLOR", "if set, no colours are used"),
)


def render(parser: argparse.ArgumentParser) -> str:
    """Returns the page for the parser of all commands."""
    return "\n".join(_lines(parser)) + "\n"


def _lines(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield f'.TH FAIRLEAD 1 "" "fairlead {__version__}" "User Commands"'
    yield from (".SH NAME", r"fairlead \- a Kubernetes-compatible cluster on one Linux machine, without root")
    yield from (".SH SYNOPSIS", ".B fairlead", ".I COMMAND", "[\\fIargument\\fR ...]")
    yield from (".SH DESCRIPTION", _text(parser.description or ""))
    yield ".SH COMMANDS"
    for name, command in _commands(parser).items():
        yield from (f".SS fairlead {_text(name)}", _text(command.description or ""), ".PP")
        yield from (_text(_usage(command)), ".PP")
        for action in command._actions:
            if action.help is not argparse.SUPPRESS and not isinstance(action, argparse._HelpAction):
                yield from (".TP", rf"\fB{_text(_title(action))}\fR", _text(_help(action, command)))
        if command.epilog:
            lines = command.epilog.splitlines()
            yield from (".PP", ".nf", *map(_line, lines), ".fi") if len(lines) > 1 else (".PP", _text(lines[0]))
    yield ".SH ENVIRONMENT"
    for name, meaning in _ENVIRONMENT:
        yield from (".TP", rf"\fB{_text(name)}\fR", _text(meaning))
    yield ".SH FILES"
    for name, meaning in _FILES:
        yield from (".TP", rf"\fI{_text(name)}\fR", _text(meaning))
    yield from (".SH EXIT STATUS", "0 for success, 1 for failure, 2 for wrong use; commands that answer a question say")
    yield from ("above what their codes mean.", ".SH SEE ALSO", ".BR kubectl (1)")


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Returns the commands by name, each followed by its verbs, such as `image load`."""
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                found[name] = command
                found |= {f"{name} {verb}": one for verb, one in _commands(command).items()}
    return found


def _usage(command: argparse.ArgumentParser) -> str:
    return " ".join(command.format_usage().removeprefix("usage: ").split())


def _title(action: argparse.Action) -> str:
    if isinstance(action, argparse._SubParsersAction):
        return "|".join(action.choices)
    words = action.metavar if isinstance(action.metavar, str) else (action.dest if action.nargs != 0 else "")
    if action.choices and not action.metavar:
        words = "|".join(map(str, action.choices))
    if not action.option_strings:
        return words
    shown = ", ".join(action.option_strings)
    return shown if action.nargs == 0 else f"{shown} {words if action.metavar or action.choices else words.upper()}"


def _help(action: argparse.Action, command: argparse.ArgumentParser) -> str:
    if isinstance(action, argparse._SubParsersAction):
        return "; ".join(f"{one.dest}: {one.help}" for one in action._choices_actions)
    text = action.help or ""
    return text % {"prog": command.prog, "default": action.default} if "%(" in text else text.replace("%%", "%")


def _text(text: str) -> str:
    """Returns a paragraph in roff."""
    return _line(" ".join(text.split()))


def _line(text: str) -> str:
    """Returns a line in roff: backslashes, hyphens and leading dots keep their meaning."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-").replace("`", r"\(ga")
    return re.sub(r"^([.'])", r"\\&\1", escaped)
