"""Sources of uids and of suffixes for generated names."""

from __future__ import annotations

import random
from typing import Protocol

# Upstream's alphabet for generated names: no vowels and no look-alikes, so no words come out.
SAFE_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


class IdSource(Protocol):
    def uid(self) -> str:
        """A new RFC 4122 UUID in its canonical text form."""
        ...

    def suffix(self, length: int = 5) -> str:
        """A random suffix for a generated name."""
        ...


def uuid_text(bits: int, *, version: int) -> str:
    """A UUID of RFC 4122 made of 128 bits, as text; half of the time that `uuid.UUID` takes for it."""
    bits = bits & ~(0xF000 << 64 | 0xC000 << 48) | version << 76 | 0x8000 << 48
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class RandomIds:
    """Ids drawn from a generator; seed it for the same ids every run."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def uid(self) -> str:
        return uuid_text(self._rng.getrandbits(128), version=4)

    def suffix(self, length: int = 5) -> str:
        return "".join(self._rng.choices(SAFE_ALPHABET, k=length))
