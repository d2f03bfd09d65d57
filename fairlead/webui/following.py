"""Follows the objects of one resource as a user: a list in pages, then a watch; again from the list after an error."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, TypedDict, cast

import msgspec

from fairlead.machinery.values.status import StatusError
from fairlead.runtime.streams import closing
from fairlead.runtime.transport import Request, Transport, decode_status_error
from fairlead.webui.summaries import Item, Topic, Tree, key

_PAGE = 500
"""Objects of one page: between two pages other requests of the server are answered."""
_RETRY_S = 1.0
_JSON = {"accept": "application/json"}
Message = dict[str, Any]


# One name is a keyword of Python, so this type cannot be a class.
_ListMeta = TypedDict("_ListMeta", {"resourceVersion": str, "continue": str}, total=False)


class _List(TypedDict):
    metadata: _ListMeta
    items: list[Item]


class _Event(TypedDict):
    type: str
    object: Item


_LIST, _EVENT = msgspec.json.Decoder(_List), msgspec.json.Decoder(_Event)


async def follow(transport: Transport, topic: Topic, path: str) -> AsyncIterator[Message]:
    """Yields the messages of one subscription: `items` of a list, of which the last has `done`, then `events`. Raises
    StatusError if the user may not list the resource, or if it does not exist."""
    while True:
        revision = ""
        async for message, current in _listed(transport, topic, path):
            revision = current
            yield message
        with contextlib.suppress(StatusError, ConnectionError):  # for example 410: the revision is too old
            async for events in _watched(transport, topic, path, revision):
                yield {"events": events}
        # A server that stops ends every watch at once; without a pause, this loop would keep it from stopping.
        await asyncio.sleep(_RETRY_S)


async def _listed(transport: Transport, topic: Topic, path: str) -> AsyncIterator[tuple[Message, str]]:
    query, first = {"limit": str(_PAGE)}, True
    while True:
        answer = await transport.request(Request("GET", path, query, _JSON))
        if answer.status != 200:
            raise decode_status_error(answer.status, answer.body)
        tree = _LIST.decode(answer.body)
        rest = tree["metadata"].get("continue", "")
        items = [topic.summary(cast("Tree", item)) for item in tree.get("items") or ()]
        yield {"items": items, "first": first, "done": not rest}, tree["metadata"]["resourceVersion"]
        if not rest:
            return
        query, first = {"limit": str(_PAGE), "continue": rest}, False
        await asyncio.sleep(0)


async def _watched(
    transport: Transport, topic: Topic, path: str, revision: str
) -> AsyncIterator[list[tuple[str, Tree | str]]]:
    query = {"watch": "true", "resourceVersion": revision, "allowWatchBookmarks": "true"}
    async with closing(transport.stream(Request("GET", path, query, _JSON))) as batches:
        async for lines in batches:
            if events := _events(topic, lines):
                yield events


def _events(topic: Topic, lines: Sequence[bytes]) -> list[tuple[str, Tree | str]]:
    """Returns what the lines say: `+` and the summary, or `-` and the key. Raises StatusError for an error."""
    events: list[tuple[str, Tree | str]] = []
    for line in lines:
        event = _EVENT.decode(line)
        kind, tree = event["type"], cast("Tree", event["object"])
        if kind == "ERROR":
            raise StatusError(410, "Expired", "the watch has ended with an error")
        if kind == "DELETED":
            events.append(("-", key(tree)))
        elif kind != "BOOKMARK":
            events.append(("+", topic.summary(tree)))
    return events
