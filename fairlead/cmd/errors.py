"""Errors of commands: one line for the user and an exit code, never a traceback."""

from __future__ import annotations


class CommandError(Exception):
    """One line with the problem and the remedy. Exit code 1: the command failed; 2: wrong use.

    `evidence`: the logs in the cluster's folder have details, so the folder is not deleted.
    """

    def __init__(self, message: str, code: int = 1, *, evidence: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.evidence = evidence


class UsageError(CommandError):
    def __init__(self, message: str) -> None:
        super().__init__(message, 2)
