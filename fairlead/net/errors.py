"""What goes wrong in the kernel, whichever part of it was asked."""

from __future__ import annotations


class KernelRefused(Exception):
    """A change or a question was refused, and nothing was done. The text says why."""
