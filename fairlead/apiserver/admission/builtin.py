"""The built-in admission plug-ins, in upstream's order (`AllOrderedPlugins`)."""

from __future__ import annotations

from fairlead.apiserver.admission.certificates import (
    CertificateApproval,
    CertificateSigning,
    CertificateSubjectRestriction,
)
from fairlead.apiserver.admission.lifecycle import NamespaceLifecycle, Undeletable
from fairlead.apiserver.admission.plugin import AdmissionPlugin
from fairlead.apiserver.admission.priority import Priority
from fairlead.apiserver.admission.runtimeclass import RuntimeClasses
from fairlead.apiserver.admission.serviceaccount import ServiceAccounts
from fairlead.apiserver.admission.tolerations import DefaultTolerationSeconds
from fairlead.apiserver.auth.authorization import Authorizer
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.base.ids import IdSource


def built_in_plugins(resources: Resources, authorizer: Authorizer, *, ids: IdSource) -> list[AdmissionPlugin]:
    """Returns the built-in plug-ins in upstream's order."""
    return [
        NamespaceLifecycle(resources),
        Undeletable(),
        ServiceAccounts(resources, ids=ids),
        Priority(resources),
        DefaultTolerationSeconds(),
        RuntimeClasses(),
        CertificateApproval(authorizer),
        CertificateSigning(authorizer),
        CertificateSubjectRestriction(),
    ]
