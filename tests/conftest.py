"""What all tests share: how hard hypothesis tries, and that a run that is told to end cleans up after itself.

`HYPOTHESIS_PROFILE=soak` tries long and prints its seed.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

from hypothesis import HealthCheck, settings

os.environ["FAIRLEAD_UPSTREAM"] = "none"
"""No cluster of a test asks anybody outside."""

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True)
settings.register_profile(
    "soak", max_examples=5000, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))

_RUN = os.getpid()


def pytest_configure() -> None:
    signal.signal(signal.SIGTERM, _told_to_end)


def _told_to_end(number: int, _: FrameType | None) -> None:
    """As Ctrl-C, so that fixtures end the clusters they started; what tests fork simply ends."""
    if os.getpid() == _RUN:
        raise KeyboardInterrupt
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
