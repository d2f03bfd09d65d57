"""The program in the image `fairlead/dns`: `python -I -S start.py PATHS`; PATHS are the directories of the
packages.

Uses the standard library, msgspec and h11 only, on the host's Python, without `site`. Reaches the API as any Pod
does, with the service account's token.
"""

from __future__ import annotations

import os
import sys

_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


def main() -> None:
    # msgspec imports it only if present: saves 0.3 MB.
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]

    import asyncio

    from fairlead.base.limits import raise_descriptor_limit

    raise_descriptor_limit()
    asyncio.run(_run(dict(os.environ)))


async def _run(env: dict[str, str]) -> None:
    import asyncio
    import gc
    import random
    import signal
    import ssl

    from fairlead import __version__
    from fairlead.base.clock import RealClock
    from fairlead.base.log import stderr_log
    from fairlead.dns.forwarding.lines import DirectDialer
    from fairlead.dns.program.process import Settings, run
    from fairlead.dns.serving.sockets import listening
    from fairlead.runtime.http import HttpTransport, shrink_tls_buffers

    shrink_tls_buffers()
    clock = RealClock()
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    tls = ssl.create_default_context(cafile=f"{_ACCOUNT}/ca.crt")
    host, port = env["KUBERNETES_SERVICE_HOST"], int(env["KUBERNETES_SERVICE_PORT"])
    url = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    sockets = listening(int(env.get("DNS_PORT", "53")))
    gc.freeze()
    await run(
        Settings(pod=env.get("HOSTNAME", ""), version=__version__),
        api=HttpTransport(url, ssl_context=tls, token=_token),
        sockets=sockets,
        dialer=DirectDialer(env.get("FAIRLEAD_OUTSIDE", "")),
        clock=clock,
        rng=random.SystemRandom(),
        log=stderr_log("dns", clock=clock),
        ending=ending,
    )


def _token() -> str:
    with open(f"{_ACCOUNT}/token", encoding="ascii") as file:
        return file.read().strip()


if __name__ == "__main__":
    sys.path[:0] = sys.argv[1].split(":")
    main()
