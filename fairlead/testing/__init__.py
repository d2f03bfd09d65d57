"""Clusters for tests: `Cluster`, and a plug-in for pytest (`fairlead.testing.plugin`).

Nothing is imported before it is used: pytest loads the plug-in in every project of an environment with Fairlead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairlead.testing.cluster import Cluster as Cluster
    from fairlead.testing.cluster import ClusterError as ClusterError

__all__ = ["Cluster", "ClusterError"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fairlead.testing import cluster

    return getattr(cluster, name)
