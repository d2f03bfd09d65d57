"""The text screen of `fairlead watch`."""

from __future__ import annotations

import io

from rich.console import Console

from fairlead.cmd.inspection.screen import Screen
from fairlead.proxy.inspection.timeline import Event, Timeline


def test_the_screen_shows_pods_with_sparklines_latencies_and_the_last_entries() -> None:
    timeline, out = Timeline("default/web", ["node1"]), io.StringIO()
    target = {"kind": "Pod", "name": "web-1"}
    ends = [{"addresses": ["10.244.1.2"], "targetRef": target}]
    piece = {"metadata": {"name": "web-x"}, "endpoints": ends, "ports": [{"port": 80}]}
    console = Console(file=out, force_terminal=True, width=100, height=30)
    with Screen(timeline, console) as screen:
        screen.add(timeline.feed(Event("rules", 0.9, {"node": "node1", "targets": []})))
        screen.add(timeline.feed(Event("slices", 1.0, {"type": "ADDED", "object": piece})))
        screen.add(timeline.feed(Event("rules", 1.004, {"node": "node1", "targets": ["10.244.1.2:80"]})))
        for _ in range(3):
            timeline.feed(Event("connections", 1.1, {"endpoint": "10.244.1.2:80"}))
        screen.add(timeline.second(2.0))
    shown = out.getvalue()
    for text in ("svc/web", "web-1", "ready", "█▁", "to: node1 4 ms", "endpoints: + web-1; 1 ready"):
        assert text in shown, shown
