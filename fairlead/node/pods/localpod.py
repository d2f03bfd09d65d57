"""One pod on its node: the API's object, its state, its files and volumes, and its events."""

from __future__ import annotations

import asyncio

from fairlead.api.core.pod.containers.container import Container
from fairlead.api.core.pod.kind import Pod
from fairlead.api.meta.reference import ObjectReference
from fairlead.base.tasks import Nursery
from fairlead.images.registry.credentials import Credential
from fairlead.node.images.host import Image
from fairlead.node.images.resolver import ImageRequest
from fairlead.node.pods.deciding import plan
from fairlead.node.pods.deciding.state import PodState
from fairlead.node.pods.dependencies import Dependencies
from fairlead.node.pods.pullsecrets import pull_credentials
from fairlead.node.volumes.podfiles import PodFiles
from fairlead.node.volumes.podvolumes import PodVolumes
from fairlead.runtime.events import EventKind, reference_to

_FORCED_S = 1.0
EVICTED = "Evicted"
SHOW_SOON_S = 0.1
"""An intermediate state is reported to the API after this time, so that a quick start needs one status."""


class LocalPod:
    """One pod on this node. `decide` and `show` are woken when something has changed."""

    def __init__(self, deps: Dependencies, pod: Pod, state: PodState) -> None:
        self.deps = deps
        self.pod = pod
        """The API's latest."""
        self.in_api = True
        self.killed = False
        """The pod ends without grace, and without events."""
        self.state = state
        self.files = PodFiles(deps.settings.state_dir, pod.metadata)
        self.volumes = PodVolumes(
            self.files,
            client=deps.client,
            images=self.obtain_image,
            clock=deps.clock,
            allocatable=deps.allocatable,
            masked=deps.settings.hide,
            directories=deps.settings.volumes_dir,
            others=lambda: deps.pods.items.values(),
        )
        self.lease = deps.images.new_lease()
        """Protects the layers of the pod's images, also before a container has them."""
        self.volumes_ready = False
        """True after the volumes have been set up. A restarted agent sets them up when it needs them."""
        self.ended_before = pod.status.phase in ("Succeeded", "Failed") and state.sandbox == "none"
        """The pod ended under an earlier agent: nothing is run, and its status stays as it is."""
        self.decide = asyncio.Event()
        self.show = asyncio.Event()
        self.nursery = Nursery()

    async def obtain_image(self, name: str, policy: str, container: Container | None = None) -> Image:
        """Returns an image, pulled if its policy asks for that. Raises NoImage, ConnectionError, StatusError."""

        def pulling() -> None:
            if container is not None:
                self.state.of(container.name).waiting = None
            self.event("Normal", "Pulling", f'Pulling image "{name}"', container)
            self.changed()

        async def credentials() -> list[dict[str, Credential]]:
            return await pull_credentials(self.deps.client, self.pod)

        request = ImageRequest(name, policy, pulling=pulling, credentials=credentials, lease=self.lease)
        return await self.deps.images.obtain(request)

    def changed(self) -> None:
        """Decides anew after a change of the state, and reports to the API."""
        self.decide.set()
        self.show.set()

    def changed_for_now(self) -> None:
        """Does the same as `changed`, but reports later, since more changes follow in a moment."""
        self.decide.set()
        asyncio.get_running_loop().call_later(SHOW_SOON_S, self.show.set)

    def evict(self, text: str) -> None:
        """Fails the pod, whose containers are then stopped."""
        self.state.reason, self.state.message = EVICTED, text
        self.event("Warning", EVICTED, text)
        self.changed()

    def event(self, type: EventKind, reason: str, message: str, container: Container | None = None) -> None:
        if self.killed:
            return
        about: Pod | ObjectReference = self.pod
        if container is not None:
            path = f"spec.{plan.field_of(self.pod, container.name)}{{{container.name}}}"
            about = reference_to(self.pod, field_path=path)
        self.deps.recorder.event(about, type, reason, message)

    def grace_s(self) -> float:
        """Returns the seconds that containers have to end. A pod that is missing from the API was deleted by force."""
        if self.killed:
            return 0.0
        return plan.grace_s(self.pod, self.deps.clock.now()) if self.in_api else _FORCED_S

    async def prepare(self) -> None:
        """Fetches what the API has and sets up the volumes. Raises VolumeProblem, ConnectionError, StatusError."""
        await self.deps.services.synced.wait()
        await self.volumes.fetch(self.pod)
        self.volumes.set_up(self.pod)
        await self.volumes.give_to_group(self.pod)
        self.volumes_ready = True
