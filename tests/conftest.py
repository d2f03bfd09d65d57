"""What all tests share: how hard hypothesis tries. `HYPOTHESIS_PROFILE=soak` tries long and prints its seed."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

os.environ["FAIRLEAD_UPSTREAM"] = "none"
"""No cluster of a test asks anybody outside."""

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True)
settings.register_profile(
    "soak", max_examples=5000, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))
