"""Prints the figures; with `--update`, writes the ratchet file."""

from __future__ import annotations

import sys
from collections import Counter

from tests.language.count import count_all
from tests.language.explain import QUESTIONS, explained, median_words
from tests.language.idioms import BANNED, OPENER, PLAIN
from tests.language.ratchet import write


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--update"]):
        print("usage: python -m tests.language [--update]", file=sys.stderr)
        return 2
    found = count_all()
    if arguments:
        write(found)
    columns = (*BANNED, *PLAIN)
    print("per 10,000 words".ljust(24), *(name.rjust(9) for name in columns), "openers %", "   words")
    for package, counts in found.items():
        _line(package, counts, columns)
    product: Counter[str] = sum((c for p, c in found.items() if p.startswith("fairlead/")), Counter())
    _line("fairlead", product, columns)
    texts = list(explained())
    asking = sum(text.text.startswith(QUESTIONS) for text in texts)
    print(
        f"kubectl explain: {len(texts)} fields, median of {median_words(texts):g} words, {asking} begin with a question"
    )
    return 0


def _line(package: str, counts: Counter[str], columns: tuple[str, ...]) -> None:
    words = max(counts["words"], 1)
    rates = (f"{counts[name] * 10_000 / words:9.1f}" for name in columns)
    print(package.ljust(24), *rates, f"{counts[OPENER] * 100 / max(counts['docstrings'], 1):9.1f}", f"{words:8}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
