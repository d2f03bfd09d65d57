"""How a command fails: one line for the user and an exit code; never a traceback."""

from __future__ import annotations


class CommandError(Exception):
    """What went wrong and how to cure it, in one line. Exit code 1: it could not be done; 2: wrong use.

    `evidence` says that the cluster's folder holds logs that tell more, so that it is not cleared away.
    """

    def __init__(self, message: str, code: int = 1, *, evidence: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.evidence = evidence


class UsageError(CommandError):
    def __init__(self, message: str) -> None:
        super().__init__(message, 2)
