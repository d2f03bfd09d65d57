"""Where uids and generated name suffixes come from."""

from __future__ import annotations

import random
import uuid
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


class RandomIds:
    """Ids drawn from a generator; seed it for the same ids every run."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def uid(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def suffix(self, length: int = 5) -> str:
        return "".join(self._rng.choices(SAFE_ALPHABET, k=length))
