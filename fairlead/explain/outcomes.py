"""Outcomes of a connection or question: accepted, reset, without any answer in time, without a route."""

from __future__ import annotations

ANSWERED, REFUSED, SILENT, UNREACHABLE = "answered", "refused", "silent", "unreachable"
