"""The list of all subresources with code."""

from __future__ import annotations

from fairlead.apiserver.admission.chain import AdmissionChain
from fairlead.apiserver.auth.tokenrequest import TokenIssuer
from fairlead.apiserver.connect.kubelet import Kubelet
from fairlead.apiserver.connect.proxying import Proxies
from fairlead.apiserver.registry.subresources.binding import BindingSubresource
from fairlead.apiserver.registry.subresources.budgets import Budgets
from fairlead.apiserver.registry.subresources.connect import LogSubresource, PodStreamSubresource, ProxySubresource
from fairlead.apiserver.registry.subresources.eviction import EvictionSubresource
from fairlead.apiserver.registry.subresources.finalize import FinalizeSubresource
from fairlead.apiserver.registry.subresources.scale import ScaleSubresource
from fairlead.apiserver.registry.subresources.table import SubresourceHandler
from fairlead.apiserver.registry.subresources.token import TokenSubresource
from fairlead.apiserver.registry.writers import Writers
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.base.clock import Clock
from fairlead.base.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Backends:
    """The services that subresources need beyond the object itself."""

    kubelet: Kubelet
    proxies: Proxies
    tokens: TokenIssuer
    resources: Resources


def built_in_subresources(
    writers: Writers, backends: Backends, admission: AdmissionChain, *, clock: Clock
) -> list[SubresourceHandler]:
    """Returns the code of all subresources."""
    kubelet, proxies = backends.kubelet, backends.proxies
    budgets = Budgets(backends.resources, writers.updater, clock=clock)
    return [
        ScaleSubresource(writers.updater, writers.applier, admission),
        BindingSubresource(writers.updater, admission, clock=clock),
        EvictionSubresource(writers.deleter, writers.updater, budgets, admission, clock=clock),
        FinalizeSubresource(writers.updater, clock=clock),
        TokenSubresource(backends.tokens, admission),
        LogSubresource(kubelet),
        PodStreamSubresource("exec", "PodExecOptions", kubelet, admission),
        PodStreamSubresource("attach", "PodAttachOptions", kubelet, admission),
        PodStreamSubresource("portforward", "PodPortForwardOptions", kubelet, admission),
        ProxySubresource("PodProxyOptions", proxies.of_pod, admission),
        ProxySubresource("ServiceProxyOptions", proxies.of_service, admission),
        ProxySubresource("NodeProxyOptions", proxies.of_node, admission),
    ]
