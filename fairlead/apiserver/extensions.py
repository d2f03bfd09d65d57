"""Additional authenticators, admission plug-ins and authorizers; each field says when it is called."""

from __future__ import annotations

from fairlead.apiserver.admission.plugin import AdmissionPlugin
from fairlead.apiserver.auth.authentication import Authenticator
from fairlead.apiserver.auth.authorization import Authorizer
from fairlead.base.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Extensions:
    """Lists of additional authenticators, admission plug-ins and authorizers."""

    authenticators: tuple[Authenticator, ...] = ()
    """Called before the authenticators of certificates and tokens."""
    plugins: tuple[AdmissionPlugin, ...] = ()
    """Admission plug-ins, called after the built-in ones."""
    authorizers: tuple[Authorizer, ...] = ()
    """Called before the built-in ones."""
