"""The audit log in a cluster's settings: a policy file and a log file, both or neither."""

from __future__ import annotations

from pathlib import Path

from fairlead.cmd.errors import UsageError


def check_audit(policy: str, log: str, megabytes: int) -> None:
    """Raises UsageError if the audit log cannot be used as it is described."""
    if bool(policy) != bool(log):
        raise UsageError("--audit-policy and --audit-log go together: set both")
    if megabytes < 1:
        raise UsageError(f"--audit-log-maxsize {megabytes}: at least one megabyte")
    if not policy:
        return
    from fairlead.apiserver.audit.policy import PolicyError, parse_policy

    try:
        parse_policy(Path(policy).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as e:
        raise UsageError(f"--audit-policy {policy}: {getattr(e, 'strerror', None) or e}") from e
    except PolicyError as e:
        raise UsageError(f"--audit-policy {policy}: {e}") from e
    if not Path(log).parent.is_dir():
        raise UsageError(f"--audit-log {log}: no such directory: {Path(log).parent}")
