"""The built-in admission plug-ins, in upstream's order (`AllOrderedPlugins`)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import TYPE_CHECKING

from fairlead.api.admissionregistration.mutatingadmissionpolicy import MUTATING_ADMISSION_POLICY
from fairlead.api.admissionregistration.mutatingwebhookconfiguration import MUTATING_WEBHOOK_CONFIGURATION
from fairlead.api.admissionregistration.validatingadmissionpolicy import VALIDATING_ADMISSION_POLICY
from fairlead.api.admissionregistration.validatingwebhookconfiguration import VALIDATING_WEBHOOK_CONFIGURATION
from fairlead.apiserver.admission.certificates import (
    CertificateApproval,
    CertificateSigning,
    CertificateSubjectRestriction,
)
from fairlead.apiserver.admission.chain import AdmissionChain
from fairlead.apiserver.admission.createright import CreateRight
from fairlead.apiserver.admission.defaultclasses import DefaultIngressClass, DefaultStorageClass
from fairlead.apiserver.admission.late import LatePlugin
from fairlead.apiserver.admission.lifecycle import NamespaceLifecycle, Undeletable
from fairlead.apiserver.admission.limits import LimitRanger
from fairlead.apiserver.admission.noderestriction import NodeRestriction
from fairlead.apiserver.admission.plugin import AdmissionPlugin
from fairlead.apiserver.admission.podsecurity.plugin import PodSecurity
from fairlead.apiserver.admission.priority import Priority
from fairlead.apiserver.admission.quota.ledger import QuotaLedger
from fairlead.apiserver.admission.quota.plugin import ResourceQuotas
from fairlead.apiserver.admission.resourceclaims import ResourceClaimAccess
from fairlead.apiserver.admission.roles import RoleEscalation
from fairlead.apiserver.admission.runtimeclass import RuntimeClasses
from fairlead.apiserver.admission.serviceaccount import ServiceAccounts
from fairlead.apiserver.admission.storage import PersistentVolumeClaimResize, StorageObjectInUseProtection
from fairlead.apiserver.admission.tolerations import DefaultTolerationSeconds
from fairlead.apiserver.auth.authorization import Authorizer
from fairlead.apiserver.auth.modes import RoleBased
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.apiserver.webhook.caller import WebhookCaller
from fairlead.base.dataclass import dataclass
from fairlead.base.ids import IdSource
from fairlead.machinery.kinds.scheme import Scheme

if TYPE_CHECKING:
    from fairlead.apiserver.admission.configurable import ConfigurablePlugins


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionContext:
    """The parts of the server that plug-ins use."""

    resources: Resources
    scheme: Scheme
    authorizer: Authorizer
    roles: RoleBased
    caller: WebhookCaller
    quotas: QuotaLedger
    ids: IdSource


def built_in_chain(context: AdmissionContext, others: Sequence[AdmissionPlugin] = ()) -> AdmissionChain:
    """Returns the chain of the built-in plug-ins, with `others` before webhooks and policies."""
    return AdmissionChain(built_in_plugins(context, others))


def built_in_plugins(context: AdmissionContext, others: Sequence[AdmissionPlugin] = ()) -> list[AdmissionPlugin]:
    """Returns the built-in plug-ins in upstream's order, and `others` before webhooks and policies."""
    resources, authorizer, ids = context.resources, context.authorizer, context.ids
    return [
        CreateRight(authorizer),
        NamespaceLifecycle(resources),
        Undeletable(),
        LimitRanger(resources),
        ServiceAccounts(resources, ids=ids),
        NodeRestriction(resources),
        PodSecurity(resources),
        Priority(resources),
        DefaultTolerationSeconds(),
        DefaultStorageClass(resources),
        StorageObjectInUseProtection(),
        PersistentVolumeClaimResize(resources),
        RuntimeClasses(resources),
        CertificateApproval(authorizer),
        CertificateSigning(authorizer),
        CertificateSubjectRestriction(),
        DefaultIngressClass(resources),
        RoleEscalation(context.roles, authorizer),
        ResourceClaimAccess(resources, authorizer),
        *others,
        *_configurable_plugins(context),
    ]


def _configurable_plugins(context: AdmissionContext) -> list[AdmissionPlugin]:
    """Returns the plug-ins that call webhooks and evaluate policies, and that of quotas."""
    resources, scheme, authorizer = context.resources, context.scheme, context.authorizer

    @cache
    def plugins() -> ConfigurablePlugins:
        from fairlead.apiserver.admission.configurable import ConfigurablePlugins

        return ConfigurablePlugins(resources, scheme, authorizer, context.caller, ids=context.ids)

    late = partial(LatePlugin, resources)
    return [
        late("MutatingAdmissionPolicy", MUTATING_ADMISSION_POLICY, lambda: plugins().mutating_policies()),
        late("MutatingAdmissionWebhook", MUTATING_WEBHOOK_CONFIGURATION, lambda: plugins().mutating_webhooks()),
        late("ValidatingAdmissionPolicy", VALIDATING_ADMISSION_POLICY, lambda: plugins().validating_policies()),
        late("ValidatingAdmissionWebhook", VALIDATING_WEBHOOK_CONFIGURATION, lambda: plugins().validating_webhooks()),
        ResourceQuotas(context.quotas),
    ]
