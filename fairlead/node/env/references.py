"""The API objects that a pod refers to: config maps, secrets and tokens. Pure."""

from __future__ import annotations

import base64
import binascii

from fairlead.api.core.configmap.kind import ConfigMap
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.secret.kind import Secret
from fairlead.base.dataclass import dataclass, field


@dataclass(frozen=True, slots=True)
class RequestedToken:
    """A service-account token that a volume shows."""

    audience: str
    expiration_s: int


@dataclass(frozen=True, slots=True)
class RequestedImage:
    """An image that a volume shows."""

    reference: str
    policy: str


@dataclass(slots=True)
class References:
    """Names of config maps and secrets, tokens, and images of volumes."""

    config_maps: set[str] = field(default_factory=set)
    secrets: set[str] = field(default_factory=set)
    tokens: set[RequestedToken] = field(default_factory=set)
    images: set[RequestedImage] = field(default_factory=set)

    def add_containers(self, pod: Pod) -> None:
        """Adds what the variables of the pod's containers refer to."""
        for container in (*pod.spec.initContainers, *pod.spec.containers, *pod.spec.ephemeralContainers):
            for source in container.envFrom:
                if source.configMapRef:
                    self.config_maps.add(source.configMapRef.name)
                if source.secretRef:
                    self.secrets.add(source.secretRef.name)
            for var in container.env:
                if var.valueFrom and var.valueFrom.configMapKeyRef:
                    self.config_maps.add(var.valueFrom.configMapKeyRef.name)
                if var.valueFrom and var.valueFrom.secretKeyRef:
                    self.secrets.add(var.valueFrom.secretKeyRef.name)


class ConfigData:
    """The config maps and secrets that a pod names, by name; None: not found in the API."""

    def __init__(self) -> None:
        self.config_maps: dict[str, ConfigMap | None] = {}
        self.secrets: dict[str, Secret | None] = {}

    def config_map(self, name: str) -> dict[str, bytes] | None:
        config_map = self.config_maps.get(name)
        if config_map is None:
            return None
        plain = {key: text.encode() for key, text in config_map.data.items()}
        return plain | {key: _decode(text) for key, text in config_map.binaryData.items()}

    def secret(self, name: str) -> dict[str, bytes] | None:
        secret = self.secrets.get(name)
        return None if secret is None else {key: _decode(text) for key, text in secret.data.items()}


def _decode(text: str | bytes) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return b""
