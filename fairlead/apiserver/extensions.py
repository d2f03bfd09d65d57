"""Additional authenticators, admission plug-ins, authorizers, checks, paths and metrics, with when each is called."""

from __future__ import annotations

from collections.abc import Mapping

from fairlead.apiserver.admission.plugin import AdmissionPlugin
from fairlead.apiserver.auth.authentication import Authenticator
from fairlead.apiserver.auth.authorization import Authorizer
from fairlead.apiserver.metrics import MetricsSource
from fairlead.apiserver.model import HealthCheck, PathHandler
from fairlead.apiserver.pages import Pages
from fairlead.base.dataclass import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Extensions:
    """Additional authenticators, admission plug-ins, authorizers, checks of components, paths and metrics."""

    authenticators: tuple[Authenticator, ...] = ()
    """Called before the authenticators of certificates and tokens."""
    plugins: tuple[AdmissionPlugin, ...] = ()
    """Admission plug-ins, called after the built-in ones."""
    authorizers: tuple[Authorizer, ...] = ()
    """Called before the built-in ones."""
    components: Mapping[str, HealthCheck] = field(default_factory=dict)
    """Checks of the components of the control plane by name, for ComponentStatus; the store has a check already."""
    paths: Mapping[str, PathHandler] = field(default_factory=dict)
    """Handlers of all requests below a path that is not about objects, by the first segment of the path."""
    metrics: tuple[MetricsSource, ...] = ()
    """Called by each request for `/metrics`, for what components of the same process count."""
    pages: Pages | None = None
    """The site for browsers; its sessions are asked after all authenticators."""
