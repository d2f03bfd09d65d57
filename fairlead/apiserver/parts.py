"""The parts of the API server and their wiring, bottom up: access, writing, serving, background work."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from fairlead.apiserver.admission.builtin import AdmissionContext, built_in_chain
from fairlead.apiserver.admission.quota.ledger import QuotaLedger
from fairlead.apiserver.aggregation.availability import Availability
from fairlead.apiserver.aggregation.local import LocalAPIServices, ManagedAPIServices
from fairlead.apiserver.aggregation.registry import Aggregation
from fairlead.apiserver.aggregation.tls import ExtensionTls
from fairlead.apiserver.allocation.allocator import ServiceAllocator
from fairlead.apiserver.allocation.claims import DerivedAddresses, ReservedAddresses, ServiceNumbers
from fairlead.apiserver.allocation.model import Allocations
from fairlead.apiserver.auth.authentication import (
    AuthenticatorChain,
    CertificateAuthenticator,
    TokenAuthenticator,
)
from fairlead.apiserver.auth.authorization import AuthorizerChain
from fairlead.apiserver.auth.issuer import IssuerDocuments
from fairlead.apiserver.auth.modes import authorizers_of, role_based
from fairlead.apiserver.auth.tokenrequest import TokenIssuer
from fairlead.apiserver.auth.tokens import Tokens
from fairlead.apiserver.background.bootstrap import Bootstrap
from fairlead.apiserver.background.cidrcontroller import ServiceCIDRController
from fairlead.apiserver.background.compaction import Compactor
from fairlead.apiserver.background.customresources import CustomResources
from fairlead.apiserver.background.expiry import Expirer
from fairlead.apiserver.background.flowcontrol import FlowControl
from fairlead.apiserver.background.inert import InertKinds
from fairlead.apiserver.background.policystatus import PolicyStatus
from fairlead.apiserver.background.protection import StorageProtection
from fairlead.apiserver.background.quotas import QuotaStatus
from fairlead.apiserver.background.rbacpolicy import DefaultPolicy
from fairlead.apiserver.background.repair import Repair
from fairlead.apiserver.background.tokensecrets import TokenSecrets
from fairlead.apiserver.connect.componentstatus import STORE, ComponentStatusSource, store_check
from fairlead.apiserver.connect.kubelet import Kubelet
from fairlead.apiserver.connect.proxying import Proxies
from fairlead.apiserver.connect.usage import usage_sources
from fairlead.apiserver.core import Core
from fairlead.apiserver.inspection import part_families
from fairlead.apiserver.local import LocalTransport
from fairlead.apiserver.metrics import Metrics
from fairlead.apiserver.model import SYSTEM
from fairlead.apiserver.nonresource import NonResourceHandler
from fairlead.apiserver.pages import SessionAuthenticator
from fairlead.apiserver.registry.computed import ComputedKinds
from fairlead.apiserver.registry.read import Reader
from fairlead.apiserver.registry.reviews import Reviews
from fairlead.apiserver.registry.subresources.binding import BindingSubresource, PostedBindings
from fairlead.apiserver.registry.subresources.builtin import Backends, built_in_subresources
from fairlead.apiserver.registry.verbs import Verbs
from fairlead.apiserver.registry.writer import Writer
from fairlead.apiserver.registry.writers import make_writers
from fairlead.apiserver.settings import ApiSettings, AuditSettings
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.apiserver.watchcache.watches import Watches
from fairlead.apiserver.webhook.caller import WebhookCaller
from fairlead.apiserver.webhook.services import ServiceResolver
from fairlead.base.clock import Clock
from fairlead.base.dataclass import dataclass
from fairlead.base.ids import IdSource
from fairlead.base.log import Log
from fairlead.base.tasks import Nursery
from fairlead.machinery.kinds.scheme import Scheme
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.events import Recorder
from fairlead.runtime.typed import ApiClient
from fairlead.store.model import Store

if TYPE_CHECKING:
    from fairlead.apiserver.audit.auditor import Auditor


@dataclass(frozen=True, slots=True)
class Base:
    """The values from which every part is made."""

    scheme: Scheme
    store: Store
    resources: Resources
    settings: ApiSettings
    clock: Clock
    rng: random.Random
    ids: IdSource
    log: Log

    @property
    def issuer(self) -> str:
        """The issuer of service-account tokens."""
        return f"https://kubernetes.default.svc.{self.settings.cluster_domain}"

    def resolver(self) -> ServiceResolver:
        return ServiceResolver(self.resources, rng=self.rng)


class Access:
    """Authentication and authorization."""

    def __init__(self, base: Base) -> None:
        settings, resources = base.settings, base.resources
        self.tokens = Tokens(settings.token_keys)
        self.token_authenticator = TokenAuthenticator(resources, self.tokens, issuer=base.issuer, clock=base.clock)
        pages = settings.extensions.pages
        sessions = [SessionAuthenticator(pages)] if pages is not None else []
        self.authenticators = AuthenticatorChain(
            [*settings.extensions.authenticators, CertificateAuthenticator(), self.token_authenticator, *sessions]
        )
        self.roles = role_based(resources)
        built_in = authorizers_of(settings.authorization_mode, self.roles, resources)
        self.authorizers = AuthorizerChain([*settings.extensions.authorizers, *built_in])


class Writing:
    """Allocation, admission and the writing verbs."""

    def __init__(self, base: Base, access: Access) -> None:
        settings, resources = base.settings, base.resources
        self.allocator = ServiceAllocator(settings.service_networks, settings.node_port_range, rng=base.rng)
        self.webhooks = WebhookCaller(base.resolver())
        self.quotas = QuotaLedger(resources, base.scheme, clock=base.clock)
        context = AdmissionContext(
            resources=resources,
            scheme=base.scheme,
            authorizer=access.authorizers,
            roles=access.roles,
            caller=self.webhooks,
            quotas=self.quotas,
            ids=base.ids,
        )
        others = [DerivedAddresses(self.allocator), ManagedAPIServices(resources), *settings.extensions.plugins]
        self.admission = built_in_chain(context, others)
        allocations = Allocations([ServiceNumbers(self.allocator), ReservedAddresses(self.allocator)])
        self.writer = Writer(resources, allocations)
        self.writers = make_writers(self.writer, self.admission, clock=base.clock, ids=base.ids)


class Serving:
    """The path of a request, without the edge."""

    def __init__(self, base: Base, access: Access, writing: Writing, ready: Callable[[], dict[str, bool]]) -> None:
        settings, resources, scheme = base.settings, base.resources, base.scheme
        self.watches = Watches(resources, scheme)
        self.kubelet = Kubelet(resources, tls=settings.kubelet_tls)
        self.aggregation = Aggregation(resources, base.resolver, ExtensionTls(settings.front_proxy).context)
        self.reader = Reader(resources, self.watches, rng=base.rng)
        self.verbs = self._make_verbs(base, access, writing)
        metrics = Metrics(version=settings.version)
        nonresource = NonResourceHandler(
            scheme,
            IssuerDocuments(settings.token_keys, issuer=base.issuer, address=settings.advertised),
            self.aggregation,
            version=settings.version,
            metrics=metrics,
            ready=ready,
            paths=settings.extensions.paths,
        )
        self.core = Core(
            access.authorizers,
            self.verbs,
            nonresource,
            self.aggregation,
            scheme=scheme,
            metrics=metrics,
            clock=base.clock,
            log=base.log,
        )
        metrics.sources.append(lambda: part_families(resources, self.aggregation, self.core))
        metrics.sources += settings.extensions.metrics
        if settings.audit is not None:
            self.core.auditor = _auditor(settings.audit, base)

    def _make_verbs(self, base: Base, access: Access, writing: Writing) -> Verbs:
        settings, resources, clock, writers = base.settings, base.resources, base.clock, writing.writers
        issuer = TokenIssuer(resources, access.tokens, issuer=base.issuer, clock=clock, ids=base.ids)
        backends = Backends(self.kubelet, Proxies(resources, rng=base.rng), issuer, resources)
        components = {STORE: store_check(base.store), **settings.extensions.components}
        binding = BindingSubresource(writers.updater, writing.admission, clock=clock)
        return Verbs(
            base.scheme,
            resources,
            self.reader,
            writers,
            built_in_subresources(writers, backends, writing.admission, clock=clock),
            ComputedKinds(
                [*usage_sources(resources, self.kubelet), ComponentStatusSource(components)],
                [PostedBindings(resources, binding)],
                clock=clock,
            ),
            Reviews(access.authorizers, access.token_authenticator, issuer=base.issuer, clock=clock),
            clock=clock,
        )


class Background:
    """The work without a request."""

    def __init__(self, base: Base, access: Access, writing: Writing, serving: Serving, nursery: Nursery) -> None:
        resources, scheme, clock, log = base.resources, base.scheme, base.clock, base.log
        writers, updater, creator = writing.writers, writing.writers.updater, writing.writers.creator
        self._base = base
        self._allocator = writing.allocator
        self._watches = serving.watches
        self._aggregation = serving.aggregation
        self.local_services = LocalAPIServices(scheme, resources, clock=clock)
        self.availability = Availability(serving.aggregation, resources, updater, clock=clock, log=log)
        self.bootstrap = Bootstrap(resources, creator, updater)
        self.custom = CustomResources(
            resources, scheme, writers, nursery, writing.webhooks, ids=base.ids, clock=clock, log=log
        )
        self.policy = DefaultPolicy(resources, writers)
        self.token_secrets = TokenSecrets(resources, writers, access.tokens, ca_pem=base.settings.ca_pem, log=log)
        self.cidrs = ServiceCIDRController(resources, updater, clock=clock)
        self.quotas = QuotaStatus(resources, writing.quotas, updater)
        self.policy_status = PolicyStatus(resources, scheme, updater)
        self.protection = StorageProtection(resources, updater)
        self.flow_control = FlowControl(resources, creator, updater, clock=clock)
        self.expiry = Expirer(resources, writing.writer, clock=clock)
        self.compactor = Compactor(base.store, compacted=serving.reader.compact)
        client = ApiClient(LocalTransport(serving.core, SYSTEM))
        names = ("ipallocator-repair-controller", "portallocator-repair-controller", "fairlead")
        self.recorders = [Recorder(client, component=name, clock=clock, log=log) for name in names]
        ips, ports, general = self.recorders
        self.inert = InertKinds(resources, general, scheme)
        self.repair = Repair(resources, writing.allocator, ips=ips, ports=ports, log=log)

    async def prepare(self) -> None:
        """Creates the objects that every cluster has."""
        try:
            await self.bootstrap.ensure(self._base.settings, self._allocator.first_address)
            await self.policy.ensure()
        except StatusError as error:
            # For example the Service `kubernetes` and every ServiceCIDR are deleted. The bootstrap loop tries again.
            self._base.log.error("cannot create the initial objects of the cluster", error=str(error))
        self.local_services.load()  # after the first write: an object's version may not be 0
        self._aggregation.follow()
        await self.cidrs.sync()

    def works(self) -> Iterator[tuple[str, Callable[[], Coroutine[Any, Any, None]]]]:
        """Yields the name and the loop of each work."""
        yield "custom resources", self.custom.run
        yield "store", self._base.resources.follow
        yield "bookmarks", self._watches.run
        yield "compaction", self.compactor.run
        yield "expiry", self.expiry.run
        yield "admission policies", self.policy_status.run
        yield "storage protection", self.protection.run
        yield "quotas", self.quotas.run
        yield "flow control", self.flow_control.run
        yield "bootstrap", partial(self.bootstrap.run, self._base.settings, self._allocator.first_address)
        yield "token secrets", self.token_secrets.run
        yield "service CIDRs", self.cidrs.run
        yield "APIServices", self.availability.run
        yield "repair", self.repair.run
        for recorder in self.recorders:
            yield "events", recorder.run


def _auditor(settings: AuditSettings, base: Base) -> Auditor:
    """Returns the audit log, whose modules are imported only if it is on. Raises PolicyError, OSError."""
    from fairlead.apiserver.audit.auditor import Auditor
    from fairlead.apiserver.audit.log import LogFile
    from fairlead.apiserver.audit.policy import parse_policy

    file = LogFile(settings.path, settings.max_bytes, settings.backups)
    return Auditor(parse_policy(settings.policy), file, base.scheme, clock=base.clock, ids=base.ids, log=base.log)
