"""Asks the pulling service, which has the host's network, for an image. The service closes the connection after its
answer; a pull may take as long as it takes."""

from __future__ import annotations

import asyncio

from fairlead.base.shortpath import short_path
from fairlead.images.service.protocol import LONGEST_LINE, PullRequest, PullResult, from_line, to_line
from fairlead.runtime.writers import send


async def request_pull(service: str, request: PullRequest) -> PullResult:
    """Returns the service's answer, or one with the reason for which it is missing."""
    try:
        with short_path(service) as path:
            reader, writer = await asyncio.open_unix_connection(path, limit=LONGEST_LINE)
        try:
            await send(writer, to_line(request))
            return from_line(PullResult, await reader.readline())
        finally:
            writer.close()
    except (OSError, ValueError) as error:
        return PullResult(error=f"the pulling service has ended: {error}; see logs/images.log of the cluster")
