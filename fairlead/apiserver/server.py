"""Builds the API server: `start`, then `transport` in the process and `serve` on sockets, then `stop`."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

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
from fairlead.apiserver.http import HttpEdge
from fairlead.apiserver.inspection import part_families
from fairlead.apiserver.local import LocalTransport
from fairlead.apiserver.metrics import Metrics
from fairlead.apiserver.model import SYSTEM, User
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
from fairlead.base.ids import IdSource
from fairlead.base.log import Log
from fairlead.base.tasks import Nursery, keep_running
from fairlead.machinery.kinds.scheme import Scheme
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.client import Transport
from fairlead.runtime.events import Recorder
from fairlead.runtime.typed import ApiClient
from fairlead.store.model import Store

if TYPE_CHECKING:
    from fairlead.apiserver.audit.auditor import Auditor


class ApiServer:
    """The API server of one cluster."""

    def __init__(  # noqa: PLR0913, PLR0915 -- where the server is wired up
        self,
        store: Store,
        *,
        scheme: Scheme,
        settings: ApiSettings,
        clock: Clock,
        rng: random.Random,
        ids: IdSource,
        log: Log,
    ) -> None:
        self._settings = settings
        self._log = log
        self._started = False
        self._stopping = False
        self._nursery = Nursery()
        self._resources = resources = Resources(scheme, store)
        self._allocator = ServiceAllocator(settings.service_networks, settings.node_port_range, rng=rng)
        self._watches = Watches(resources, scheme)
        self._kubelet = Kubelet(resources, tls=settings.kubelet_tls)
        self._webhooks = WebhookCaller(ServiceResolver(resources, rng=rng))
        issuer = f"https://kubernetes.default.svc.{settings.cluster_domain}"
        tokens = Tokens(settings.token_keys)
        self._tokens = TokenAuthenticator(resources, tokens, issuer=issuer, clock=clock)
        pages = settings.extensions.pages
        sessions = [SessionAuthenticator(pages)] if pages is not None else []
        self._authenticators = AuthenticatorChain(
            [*settings.extensions.authenticators, CertificateAuthenticator(), self._tokens, *sessions]
        )
        self._roles = role_based(resources)
        built_in = authorizers_of(settings.authorization_mode, self._roles, resources)
        self._authorizers = AuthorizerChain([*settings.extensions.authorizers, *built_in])
        allocations = Allocations([ServiceNumbers(self._allocator), ReservedAddresses(self._allocator)])
        writer = Writer(resources, allocations)
        quotas = QuotaLedger(resources, scheme, clock=clock)
        context = AdmissionContext(
            resources=resources,
            scheme=scheme,
            authorizer=self._authorizers,
            roles=self._roles,
            caller=self._webhooks,
            quotas=quotas,
            ids=ids,
        )
        others = [DerivedAddresses(self._allocator), ManagedAPIServices(resources), *settings.extensions.plugins]
        admission = built_in_chain(context, others)
        writers = make_writers(writer, admission, clock=clock, ids=ids)
        self._local_services = LocalAPIServices(scheme, resources, clock=clock)
        self._aggregation = Aggregation(
            resources, lambda: ServiceResolver(resources, rng=rng), ExtensionTls(settings.front_proxy).context
        )
        self._availability = Availability(self._aggregation, resources, writers.updater, clock=clock, log=log)
        self._bootstrap = Bootstrap(resources, writers.creator, writers.updater)
        self._custom = CustomResources(
            resources, scheme, writers, self._nursery, self._webhooks, ids=ids, clock=clock, log=log
        )
        self._policy = DefaultPolicy(resources, writers)
        self._token_secrets = TokenSecrets(resources, writers, tokens, ca_pem=settings.ca_pem, log=log)
        self._cidrs = ServiceCIDRController(resources, writers.updater, clock=clock)
        self._quotas = QuotaStatus(resources, quotas, writers.updater)
        self._policy_status = PolicyStatus(resources, scheme, writers.updater)
        self._protection = StorageProtection(resources, writers.updater)
        self._flow_control = FlowControl(resources, writers.creator, writers.updater, clock=clock)
        self._expiry = Expirer(resources, writer, clock=clock)
        metrics = Metrics(version=settings.version)
        token_issuer = TokenIssuer(resources, tokens, issuer=issuer, clock=clock, ids=ids)
        backends = Backends(self._kubelet, Proxies(resources, rng=rng), token_issuer, resources)
        served = built_in_subresources(writers, backends, admission, clock=clock)
        components = {STORE: store_check(store), **settings.extensions.components}
        reader = Reader(resources, self._watches, rng=rng)
        self._compactor = Compactor(store, compacted=reader.compact)
        self._verbs = Verbs(
            scheme,
            resources,
            reader,
            writers,
            served,
            ComputedKinds(
                [*usage_sources(resources, self._kubelet), ComponentStatusSource(components)],
                [PostedBindings(resources, BindingSubresource(writers.updater, admission, clock=clock))],
                clock=clock,
            ),
            Reviews(self._authorizers, self._tokens, issuer=issuer, clock=clock),
            clock=clock,
        )
        nonresource = NonResourceHandler(
            scheme,
            IssuerDocuments(settings.token_keys, issuer=issuer, address=settings.advertised),
            self._aggregation,
            version=settings.version,
            metrics=metrics,
            ready=self._ready,
            paths=settings.extensions.paths,
        )
        self._core = Core(
            self._authorizers,
            self._verbs,
            nonresource,
            self._aggregation,
            scheme=scheme,
            metrics=metrics,
            clock=clock,
            log=log,
        )
        metrics.sources.append(lambda: part_families(resources, self._aggregation, self._core))
        if settings.audit is not None:
            self._core.auditor = _auditor(settings.audit, scheme, clock=clock, ids=ids, log=log)
        client = ApiClient(self.transport())
        self._recorders = [
            Recorder(client, component=f"{what}allocator-repair-controller", clock=clock, log=log)
            for what in ("ip", "port")
        ]
        ips, ports = self._recorders
        self._recorders.append(Recorder(client, component="fairlead", clock=clock, log=log))
        self._inert = InertKinds(resources, self._recorders[-1], scheme)
        self._repair = Repair(resources, self._allocator, ips=ips, ports=ports, log=log)
        answer_page = partial(pages.answer, backend=self) if pages is not None else None
        self._edge = HttpEdge(self._core, self._authenticators, self._kubelet, answer_page=answer_page)

    async def start(self) -> None:
        """Reads the store and creates the objects that every cluster has; afterwards the in-process transport
        works."""
        await self._resources.load()
        self._allocator.follow(self._resources)
        self._roles.index.follow()
        try:
            await self._bootstrap.ensure(self._settings, self._allocator.first_address)
            await self._policy.ensure()
        except StatusError as error:
            # For example the Service `kubernetes` and every ServiceCIDR are deleted. The bootstrap loop tries again.
            self._log.error("cannot create the initial objects of the cluster", error=str(error))
        self._local_services.load()  # after the first write: an object's version may not be 0
        self._aggregation.follow()
        await self._cidrs.sync()
        await self._nursery.__aenter__()
        await self._custom.load()
        self._nursery.spawn(keep_running("custom resources", self._custom.run, log=self._log))
        self._nursery.spawn(keep_running("store", self._resources.follow, log=self._log))
        self._nursery.spawn(keep_running("bookmarks", self._watches.run, log=self._log))
        self._nursery.spawn(keep_running("compaction", self._compactor.run, log=self._log))
        self._nursery.spawn(keep_running("expiry", self._expiry.run, log=self._log))
        self._nursery.spawn(keep_running("admission policies", self._policy_status.run, log=self._log))
        self._nursery.spawn(keep_running("storage protection", self._protection.run, log=self._log))
        self._nursery.spawn(keep_running("quotas", self._quotas.run, log=self._log))
        self._nursery.spawn(keep_running("flow control", self._flow_control.run, log=self._log))
        self._nursery.spawn(keep_running("bootstrap", self._run_bootstrap, log=self._log))
        self._nursery.spawn(keep_running("token secrets", self._token_secrets.run, log=self._log))
        self._nursery.spawn(keep_running("service CIDRs", self._cidrs.run, log=self._log))
        self._nursery.spawn(keep_running("APIServices", self._availability.run, log=self._log))
        self._nursery.spawn(keep_running("repair", self._repair.run, log=self._log))
        for recorder in self._recorders:
            self._nursery.spawn(keep_running("events", recorder.run, log=self._log))
        self._started = True

    async def _run_bootstrap(self) -> None:
        await self._bootstrap.run(self._settings, self._allocator.first_address)

    async def complete(self) -> None:
        """Creates the initial objects that `start` leaves to a task, which creates them later. Raises StatusError."""
        await self._flow_control.sync()

    async def wait_for_revision(self, revision: int) -> None:
        """Waits until the caches have the state of a revision that was written to the store beside this server."""
        await self._resources.wait_for_revision(revision)

    async def end_deleted_pods(self, node: str) -> None:
        """Makes a node kill the Pods that are gone from this server, and waits until they have ended. Raises
        StatusError."""
        await self._kubelet.end_deleted_pods(node)

    def transport(self, user: User = SYSTEM) -> Transport:
        """Returns an in-process transport for components of the same process."""
        return LocalTransport(self._core, user)

    async def read_node(self, node: str, path: str) -> bytes:
        """Returns the body of a path of a node's own API, without a check of rights. Raises StatusError."""
        return await self._kubelet.read(node, path)

    async def serve(self, socks: Sequence[socket.socket], ssl_context: ssl.SSLContext | None) -> None:
        """Serves on listening sockets; returns as soon as it serves."""
        await self._edge.start(socks, ssl_context)

    async def stop(self) -> None:
        """Ends all watches and connections. The caller closes the store."""
        self._stopping = True
        self._watches.stop()
        self._resources.stop()
        await self._edge.stop()
        await self._kubelet.close()
        if self._core.auditor is not None:
            await asyncio.to_thread(self._core.auditor.close)
        await self._webhooks.close()
        if self._started:
            self._started = False
            await self._nursery.__aexit__(None, None, None)

    def _ready(self) -> dict[str, bool]:
        return {
            "ping": True,
            "log": True,
            "store": self._started,
            "informer-sync": self._started,
            "shutdown": not self._stopping,
        }


def _auditor(settings: AuditSettings, scheme: Scheme, *, clock: Clock, ids: IdSource, log: Log) -> Auditor:
    """Returns the audit log, whose modules are imported only if it is on. Raises PolicyError, OSError."""
    from fairlead.apiserver.audit.auditor import Auditor
    from fairlead.apiserver.audit.log import LogFile
    from fairlead.apiserver.audit.policy import parse_policy

    file = LogFile(settings.path, settings.max_bytes, settings.backups)
    return Auditor(parse_policy(settings.policy), file, scheme, clock=clock, ids=ids, log=log)
