"""Checks between documents, one file each; `CHECKS` lists them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fairlead.lint.checks.app_protocol import app_protocols
from fairlead.lint.checks.autoscaling import autoscaler_targets
from fairlead.lint.checks.duplicates import duplicate_objects
from fairlead.lint.checks.endpoints import endpoints
from fairlead.lint.checks.external_name import external_names
from fairlead.lint.checks.headless import governing_services
from fairlead.lint.checks.ingress import ingress_backends
from fairlead.lint.checks.load_balancer import load_balancer_classes
from fairlead.lint.checks.node_ports import node_ports
from fairlead.lint.checks.probes import probe_ports
from fairlead.lint.checks.references import references
from fairlead.lint.checks.roles import role_references
from fairlead.lint.checks.selectors import selectors
from fairlead.lint.checks.target_ports import target_ports
from fairlead.lint.problem import Problem
from fairlead.lint.world import World

Check = Callable[[World], Iterator[Problem]]

CHECKS: tuple[Check, ...] = (
    duplicate_objects,
    selectors,
    target_ports,
    app_protocols,
    endpoints,
    external_names,
    load_balancer_classes,
    node_ports,
    probe_ports,
    references,
    governing_services,
    ingress_backends,
    autoscaler_targets,
    role_references,
)
