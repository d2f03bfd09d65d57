"""The cluster that tests of names share."""

from __future__ import annotations

from tests.dns.live import names, outside

__all__ = ["names", "outside"]
