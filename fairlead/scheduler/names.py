"""Names that the scheduler is known by, and that it writes."""

NAME = "default-scheduler"
"""The name by which pods ask for this scheduler."""
PREEMPTED = "PreemptionByScheduler"
"""Reason of the condition DisruptionTarget of an evicted pod."""
