"""Errors of limits of the kernel in words."""

from __future__ import annotations

import errno
import re
import resource

from fairlead.base.limits import explain_limit


def test_a_refused_fork_names_the_limits() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    lower = min(hard, 4000) if hard != resource.RLIM_INFINITY else 4000
    resource.setrlimit(resource.RLIMIT_NPROC, (lower, hard))
    try:
        text = explain_limit(OSError(errno.EAGAIN, "Resource temporarily unavailable"))
    finally:
        resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))
    assert text.startswith(f"too many processes: a limit is reached, the user's (ulimit -u: {lower})")
    assert "pids.max" in text


def test_too_many_open_files_name_the_limit() -> None:
    text = explain_limit(OSError(errno.EMFILE, "Too many open files"))
    assert f"(ulimit -n: {resource.getrlimit(resource.RLIMIT_NOFILE)[0]})" in text
    assert "fs.file-max" in explain_limit(OSError(errno.ENFILE, "Too many open files in system"))


def test_a_refused_namespace_is_not_called_a_full_disk() -> None:
    text = explain_limit(OSError(errno.ENOSPC, "unshare: No space left on device"))
    assert re.fullmatch(
        r"too many namespaces are in use: end other clusters or containers, or raise the limits"
        r"(: sudo sysctl -w( user\.max_[a-z]+_namespaces=\d+)+| of this user: sysctl -a -r '[^']+')",
        text,
    )
    assert "No space left" in explain_limit(OSError(errno.ENOSPC, "No space left on device"))


def test_other_errors_keep_their_text() -> None:
    assert explain_limit(OSError(errno.EPERM, "Operation not permitted")) == "[Errno 1] Operation not permitted"
    assert "no memory" in explain_limit(OSError(errno.ENOMEM, "Cannot allocate memory"))
