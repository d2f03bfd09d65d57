"""The credentials in a pod's pull secrets."""

from __future__ import annotations

import base64

from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.secret.kind import SECRET
from fairlead.images.registry.credentials import Credential, of_secrets
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.client import Client


async def pull_credentials(client: Client, pod: Pod) -> list[dict[str, Credential]]:
    """Returns the credentials of each pull secret. A missing secret is left out, as in kubelets: the image may be
    public. Raises ConnectionError, StatusError."""
    found = []
    for reference in pod.spec.imagePullSecrets:
        try:
            secret = await client.get(SECRET, reference.name, pod.metadata.namespace)
        except StatusError as error:
            if error.code not in (403, 404):
                raise
            continue
        found.append((secret.type, {key: base64.b64decode(text) for key, text in secret.data.items()}))
    return list(of_secrets(found))
