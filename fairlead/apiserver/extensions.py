"""Additions to the way of a request; each field says when its list is asked."""

from __future__ import annotations

from dataclasses import dataclass

from fairlead.apiserver.admission.plugin import AdmissionPlugin
from fairlead.apiserver.auth.authentication import Authenticator
from fairlead.apiserver.auth.authorization import Authorizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Extensions:
    authenticators: tuple[Authenticator, ...] = ()
    """Asked before certificates and tokens."""
    plugins: tuple[AdmissionPlugin, ...] = ()
    """Admission plug-ins, called after the built-in ones."""
    authorizers: tuple[Authorizer, ...] = ()
    """Asked before the built-in ones, which allow every known user everything."""
