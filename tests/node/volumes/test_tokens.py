"""Tokens of service accounts in volumes, from a real API server on a clock that the test moves."""

from __future__ import annotations

from tempfile import TemporaryDirectory

from fairlead.api.core.pod.kind import POD
from fairlead.apiserver.auth.tokens import expiry_of
from fairlead.node.volumes.podfiles import PodFiles
from fairlead.node.volumes.podvolumes import PodVolumes
from tests.apiserver.harness import PODS, Api, story
from tests.node.makers import no_image
from tests.node.sandbox import read

LIFETIMES_S = {"short": 600, "long": 7200}
SOURCES = [{"serviceAccountToken": {"path": name, "expirationSeconds": s}} for name, s in LIFETIMES_S.items()]
SPEC = {
    "automountServiceAccountToken": False,
    "containers": [{"name": "c", "image": "x", "volumeMounts": [{"name": "tokens", "mountPath": "/t"}]}],
    "volumes": [{"name": "tokens", "projected": {"sources": SOURCES}}],
}
REFRESH_S = 72.0
"""The longest pause between two refreshes of a Pod's volumes by the agent."""


@story
async def test_the_file_of_a_token_is_renewed_before_the_token_expires_and_not_at_each_refresh(api: Api) -> None:
    await api.ok("POST", PODS, {"metadata": {"name": "p"}, "spec": SPEC})
    pod = await api.client.get(POD, "p", "default")
    with TemporaryDirectory() as folder:
        files = PodFiles(folder, pod.metadata)
        volumes = PodVolumes(files, client=api.client, images=no_image, clock=api.clock, allocatable={}, masked=())
        seen: dict[str, set[str]] = {name: set() for name in LIFETIMES_S}
        for _ in range(100):  # two hours
            await volumes.fetch(pod)
            volumes.set_up(pod)
            for name, tokens in seen.items():
                token = read(f"{files.volume('tokens')}/{name}")
                left = (expiry_of(token) or 0) - api.clock.now()
                assert left > REFRESH_S, "the token lasts until the next refresh"
                tokens.add(token)
            api.clock.advance(REFRESH_S)
    assert {name: len(tokens) for name, tokens in seen.items()} == {"short": 15, "long": 2}
