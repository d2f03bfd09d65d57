"""The pages for probes and Prometheus, among clients that send nothing."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress

from fairlead.dns.serving.pages import serve_page


def test_connections_that_send_nothing_do_not_keep_a_probe_out() -> None:
    async def main() -> None:
        pages = await serve_page("/ready", lambda: (200, "OK\n"), address="127.0.0.1", port=0)
        port = pages.sockets[0].getsockname()[1]
        async with AsyncExitStack() as opened, asyncio.timeout(30):
            opened.callback(pages.close)
            idle = []
            for _ in range(100):  # more than the server keeps
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                opened.callback(writer.close)
                idle.append(reader)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            opened.callback(writer.close)
            writer.write(b"GET /ready HTTP/1.1\r\n\r\n")
            assert (await reader.read()).endswith(b"OK\n")
            with suppress(ConnectionResetError):
                assert await idle[0].read() == b""

    asyncio.run(main())
