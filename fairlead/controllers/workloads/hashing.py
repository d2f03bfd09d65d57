"""The short hashes in the names of objects that are made from a pod template."""

from __future__ import annotations

import msgspec

from fairlead.api.core.pod.spec import PodTemplateSpec

# Upstream's alphabet for hashes: without vowels and look-alikes, so that no words result.
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def template_hash(template: PodTemplateSpec, collisions: int) -> str:
    """Returns a short hash of the template and the number of name collisions so far."""
    data = msgspec.json.encode(template, order="deterministic") + (str(collisions).encode() if collisions else b"")
    value = 0x811C9DC5
    for byte in data:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return "".join(_ALPHABET[ord(digit) % len(_ALPHABET)] for digit in str(value))
