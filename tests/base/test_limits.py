"""Errors of fork(2) in words."""

from __future__ import annotations

import errno
import resource

from fairlead.base.limits import explain_fork


def test_a_refused_fork_names_the_limits() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    lower = min(hard, 4000) if hard != resource.RLIM_INFINITY else 4000
    resource.setrlimit(resource.RLIMIT_NPROC, (lower, hard))
    try:
        text = explain_fork(OSError(errno.EAGAIN, "Resource temporarily unavailable"))
    finally:
        resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))
    assert text.startswith(f"too many processes: a limit is reached, the user's (ulimit -u: {lower})")
    assert "pids.max" in text


def test_other_errors_keep_their_text() -> None:
    assert explain_fork(OSError(errno.EPERM, "Operation not permitted")) == "[Errno 1] Operation not permitted"
    assert "no memory" in explain_fork(OSError(errno.ENOMEM, "Cannot allocate memory"))
