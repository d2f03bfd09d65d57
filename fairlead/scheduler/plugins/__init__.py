"""The plug-ins of the scheduler, in the order in which they filter nodes."""

from __future__ import annotations

from fairlead.scheduler.framework import Plugin
from fairlead.scheduler.plugins import (
    balancedallocation,
    imagelocality,
    interpodaffinity,
    nodeaffinity,
    nodename,
    nodeports,
    noderesourcesfit,
    nodeunschedulable,
    nodevolumelimits,
    podtopologyspread,
    tainttoleration,
    volumebinding,
    volumerestrictions,
    volumezone,
)

PLUGINS: tuple[Plugin, ...] = (
    nodeunschedulable.PLUGIN,
    nodename.PLUGIN,
    tainttoleration.PLUGIN,
    nodeaffinity.PLUGIN,
    nodeports.PLUGIN,
    noderesourcesfit.PLUGIN,
    volumerestrictions.PLUGIN,
    nodevolumelimits.PLUGIN,
    volumebinding.PLUGIN,
    volumezone.PLUGIN,
    podtopologyspread.PLUGIN,
    interpodaffinity.PLUGIN,
    balancedallocation.PLUGIN,
    imagelocality.PLUGIN,
)
