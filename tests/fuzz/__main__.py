"""The long run. Exits with 1 and the first problems if there are any."""

from __future__ import annotations

import asyncio
import sys
import time

from tests.fuzz.check import Fuzz
from tests.fuzz.http import fuzz_http


def main(count: int = 100_000, seed: int = 1) -> int:
    fuzz = Fuzz(seed)
    started = time.perf_counter()
    asyncio.run(fuzz.run(count))
    print(f"{count} requests in process, seed {seed}, {time.perf_counter() - started:.0f} s")  # noqa: T201
    print("  " + ", ".join(f"{status}: {number}" for status, number in sorted(fuzz.statuses.items())))  # noqa: T201
    over = fuzz_http(count // 20, seed)
    print(f"{count // 20} requests over HTTP: " + ", ".join(f"{s}: {n}" for s, n in sorted(over.statuses.items())))  # noqa: T201
    problems = [*fuzz.problems, *over.problems]
    print(f"{len(problems)} problems")  # noqa: T201
    for problem in problems[:10]:
        print(problem)  # noqa: T201
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:])))
