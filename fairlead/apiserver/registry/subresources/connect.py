"""log, exec, attach, portforward and proxy: requests that are forwarded to a node, a Pod or a Service's endpoint."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace
from multidict import MultiDict, MultiDictProxy

from fairlead.apiserver.admission.chain import AdmissionChain
from fairlead.apiserver.connect.kubelet import Kubelet
from fairlead.apiserver.model import Forward, Outcome
from fairlead.apiserver.registry.subresources.table import Call
from fairlead.apiserver.watchcache.target import Target


class LogSubresource:
    """Serves log. It only reads, so admission is not called."""

    subresource = ("log", "Pod")
    any_method = False

    def __init__(self, kubelet: Kubelet) -> None:
        self._kubelet = kubelet

    async def handle(self, call: Call) -> Outcome:
        return await self._kubelet.handle(call.target, call.request)


class PodStreamSubresource:
    """Serves exec, attach or portforward."""

    any_method = False

    def __init__(self, name: str, body: str, kubelet: Kubelet, admission: AdmissionChain) -> None:
        self.subresource = (name, body)
        self._kubelet = kubelet
        self._admission = admission

    async def handle(self, call: Call) -> Outcome:
        options = MultiDict(call.request.query)
        admitted = await self._admission.review(call.attributes("CONNECT", options))
        return await self._kubelet.handle(call.target, replace(call.request, query=admitted))


class ProxySubresource:
    """Serves proxy of a Pod, a Service or a node."""

    any_method = True

    def __init__(self, body: str, locate: Callable[[Target], Forward], admission: AdmissionChain) -> None:
        self.subresource = ("proxy", body)
        self._locate = locate
        self._admission = admission

    async def handle(self, call: Call) -> Outcome:
        options = MultiDictProxy(MultiDict(call.request.query))  # the backend receives the query unchanged
        await self._admission.review(call.attributes("CONNECT", options))
        return self._locate(call.target)
