"""Converts custom objects by a webhook."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fairlead.apiserver.webhook.caller import WebhookCaller
from fairlead.apiserver.webhook.model import CallError, WebhookTarget
from fairlead.apiserver.webhook.review import InvalidAnswer, checked, read_answer, review_body, version_for
from fairlead.base.dataclass import dataclass
from fairlead.base.ids import IdSource
from fairlead.machinery.values.status import StatusError

TIMEOUT_S = 30.0


class _Named(msgspec.Struct):
    kind: str = ""
    apiVersion: str = ""


_named = msgspec.json.Decoder(_Named).decode


@dataclass(frozen=True, slots=True)
class ConversionWebhook:
    """Implements `RemoteConversion`."""

    caller: WebhookCaller
    ids: IdSource
    target: WebhookTarget
    accepted: tuple[str, ...]
    """The versions of ConversionReview that the webhook understands."""
    stored_version: str

    async def convert(self, objects: Sequence[bytes], api_version: str) -> list[bytes]:
        """Returns the objects, which are all of one version, in another one. Raises StatusError."""
        version = version_for(self.accepted)
        if version is None:
            raise _failure("no supported conversion review versions")
        first = _named(objects[0])
        who = f"conversion webhook for {first.apiVersion}, Kind={first.kind}"
        uid = self.ids.uid()
        body = review_body(objects, version=version, uid=uid, desired=api_version)
        try:
            sent = await self.caller.post(self.target, body, timeout_s=TIMEOUT_S)
            found = read_answer(sent, version=version, uid=uid)
        except (CallError, InvalidAnswer) as e:
            raise _failure(f"{who} failed: {e}") from e
        if len(found) != len(objects):
            raise _failure(f"{who} returned {len(found)} objects, expected {len(objects)}")
        try:
            return [checked(old, new, desired=api_version) for old, new in zip(objects, found, strict=True)]
        except InvalidAnswer as e:
            raise _failure(f"{who} returned invalid {e}") from e


def _failure(text: str) -> StatusError:
    return StatusError(500, "", text)
