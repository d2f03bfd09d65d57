"""The plug-ins that call webhooks and evaluate policies. Imported once one of them is configured."""

from __future__ import annotations

from fairlead.api.admissionregistration.mutatingadmissionpolicy import MUTATING_ADMISSION_POLICY
from fairlead.api.admissionregistration.mutatingadmissionpolicybinding import MUTATING_ADMISSION_POLICY_BINDING
from fairlead.api.admissionregistration.mutatingwebhookconfiguration import MUTATING_WEBHOOK_CONFIGURATION
from fairlead.api.admissionregistration.validatingadmissionpolicy import VALIDATING_ADMISSION_POLICY
from fairlead.api.admissionregistration.validatingadmissionpolicybinding import VALIDATING_ADMISSION_POLICY_BINDING
from fairlead.api.admissionregistration.validatingwebhookconfiguration import VALIDATING_WEBHOOK_CONFIGURATION
from fairlead.apiserver.admission.conditions import Conditions
from fairlead.apiserver.admission.evaluation import Evaluations
from fairlead.apiserver.admission.plugin import AdmissionPlugin
from fairlead.apiserver.admission.policies.mutating import MutatingPolicies
from fairlead.apiserver.admission.policies.source import PolicySource
from fairlead.apiserver.admission.policies.validating import ValidatingPolicies
from fairlead.apiserver.admission.webhooks.call import HookCaller
from fairlead.apiserver.admission.webhooks.mutating import MutatingWebhooks
from fairlead.apiserver.admission.webhooks.source import HookSource
from fairlead.apiserver.admission.webhooks.validating import ValidatingWebhooks
from fairlead.apiserver.auth.authorization import Authorizer
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.apiserver.webhook.caller import WebhookCaller
from fairlead.base.ids import IdSource
from fairlead.machinery.kinds.scheme import Scheme


class ConfigurablePlugins:
    """Makes the plug-ins, which share their evaluations of expressions."""

    def __init__(
        self, resources: Resources, scheme: Scheme, authorizer: Authorizer, caller: WebhookCaller, *, ids: IdSource
    ) -> None:
        self._resources = resources
        self._scheme = scheme
        self._caller = caller
        self._ids = ids
        self._evaluations = Evaluations(resources, authorizer)
        self._conditions = Conditions(self._evaluations)

    def mutating_policies(self) -> AdmissionPlugin:
        source = PolicySource(
            self._resources, self._scheme, MUTATING_ADMISSION_POLICY, MUTATING_ADMISSION_POLICY_BINDING
        )
        return MutatingPolicies(source, self._evaluations, self._conditions)

    def mutating_webhooks(self) -> AdmissionPlugin:
        source = HookSource(self._resources, self._scheme, MUTATING_WEBHOOK_CONFIGURATION)
        return MutatingWebhooks(source, self._hook_caller(mutating=True))

    def validating_policies(self) -> AdmissionPlugin:
        source = PolicySource(
            self._resources, self._scheme, VALIDATING_ADMISSION_POLICY, VALIDATING_ADMISSION_POLICY_BINDING
        )
        return ValidatingPolicies(source, self._evaluations, self._conditions)

    def validating_webhooks(self) -> AdmissionPlugin:
        source = HookSource(self._resources, self._scheme, VALIDATING_WEBHOOK_CONFIGURATION)
        return ValidatingWebhooks(source, self._hook_caller(mutating=False))

    def _hook_caller(self, *, mutating: bool) -> HookCaller:
        return HookCaller(self._resources, self._caller, self._conditions, ids=self._ids, mutating=mutating)
