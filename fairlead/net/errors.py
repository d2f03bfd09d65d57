"""The base class of errors from the kernel, for all parts of this package."""

from __future__ import annotations


class KernelError(Exception):
    """The kernel refused a change or a question, and nothing was done. The text gives the reason."""
