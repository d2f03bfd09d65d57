"""`fairlead ui`: opens the page about a cluster in the user's browser, and relays its connections until interrupted."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fairlead.base.numbers import port_number
from fairlead.cmd.browser import open_page
from fairlead.cmd.cluster import config as settings
from fairlead.cmd.cluster.lookup import lost_settings, running
from fairlead.cmd.errors import CommandError, UsageError

if TYPE_CHECKING:
    from fairlead.cmd.wiring.access import Access
    from fairlead.webui.relay import Relay, Target

_AGENT = "fairlead-ui"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", default="0", metavar="PORT", help="port on 127.0.0.1 for the browser (default: any free port)"
    )
    parser.add_argument(
        "--print", action="store_true", dest="only_print", help="print the URL and do not open a browser"
    )
    parser.add_argument(
        "--kubeconfig",
        metavar="FILE",
        help="show the page as the user of this kubeconfig (default: as the administrator of the cluster)",
    )
    parser.add_argument(
        "--any-user", action="store_true", help="also serve browsers of other users of this machine, who need the URL"
    )
    parser.add_argument("--context", default="", help="context of the kubeconfig (default: its current context)")
    parser.epilog = (
        "The URL holds a token that works once, within a minute. Press Enter for another URL, Ctrl-C to end."
    )


def run(args: argparse.Namespace) -> int:
    port = 0 if args.port == "0" else port_number(args.port)
    if port is None:
        raise UsageError(f'invalid port "{args.port}": expected 1 to 65535')
    if args.context and not args.kubeconfig:
        raise UsageError("--context needs --kubeconfig")
    access, anonymous = _accesses(args)
    relay = _listen(_target(anonymous), port, None if args.any_user else _users(os.environ))
    return asyncio.run(_serve(access, relay, open_browser=not args.only_print))


def _listen(target: Target, port: int, users: frozenset[int] | None) -> Relay:
    """Raises CommandError."""
    from fairlead.webui.relay import Relay

    try:
        return Relay(target, users=users, port=port)
    except OSError as e:
        raise CommandError(f"cannot listen on 127.0.0.1:{port}: {e.strerror}") from e


def _users(environment: Mapping[str, str]) -> frozenset[int]:
    """Returns the user, root, and the user who became root by sudo: the browser is that user's."""
    return frozenset({0, os.getuid(), *(int(uid) for uid in [environment.get("SUDO_UID", "")] if uid.isdecimal())})


async def _serve(access: Access, relay: Relay, *, open_browser: bool) -> int:
    url = await _new_url(access, relay)
    print(url, flush=True)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, ended.set)
    serving, asking = asyncio.ensure_future(relay.run()), asyncio.ensure_future(_on_enter(access, relay))
    if open_browser:
        # Not waited for: some browsers stay in the foreground, and the page is served meanwhile.
        Thread(target=open_page, args=(url,), daemon=True).start()
    try:
        await ended.wait()
    finally:
        for task in (serving, asking):
            task.cancel()
        await asyncio.gather(serving, asking, return_exceptions=True)
    return 0


async def _on_enter(access: Access, relay: Relay) -> None:
    """Prints another URL whenever the user presses Enter."""
    if not sys.stdin.isatty():
        return
    pressed = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), pressed.set)
    while True:
        await pressed.wait()
        pressed.clear()
        if not sys.stdin.readline():
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
            return
        try:
            print(await _new_url(access, relay), flush=True)
        except CommandError as e:
            print(e, file=sys.stderr)


async def _new_url(access: Access, relay: Relay) -> str:
    """Returns a URL with a new one-time token. The server of a browser never sees a fragment. Raises CommandError."""
    import msgspec

    from fairlead.machinery.values.status import StatusError
    from fairlead.runtime.transport import Request, decode_status_error

    transport = access.transport(agent=_AGENT)
    try:
        answer = await transport.request(Request("POST", "/ui/token", {}, {}))
        if answer.status != 201:
            raise decode_status_error(answer.status, answer.body)
        token = msgspec.json.decode(answer.body)["token"]
    except StatusError as e:
        raise CommandError(f"the API server gives no token: {e.message}") from e
    except ConnectionError as e:
        raise CommandError(f"the API does not answer: {e}") from e
    finally:
        await transport.close()
    return f"{relay.origin}/ui/login#{token}"


def _accesses(args: argparse.Namespace) -> tuple[Access, Access]:
    """Returns the user's access, and the same without credentials. Raises CommandError."""
    from fairlead.cmd.wiring.access import Access, read_kubeconfig

    if args.kubeconfig:
        path = Path(args.kubeconfig)
        return (
            read_kubeconfig(path, context=args.context),
            read_kubeconfig(path, context=args.context, credentials=False),
        )
    paths, _ = running(args.name)
    config = settings.load(paths)
    if config is None:
        raise lost_settings(args.name, paths)
    server, anonymous = f"https://127.0.0.1:{config.api_port}", _trusting(paths.pki)
    admin = _trusting(paths.pki)
    admin.load_cert_chain(paths.pki / "admin.crt", paths.pki / "admin.key")
    return Access(server, admin), Access(server, anonymous)


def _trusting(pki: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(str(pki / "ca.crt"))
    return context


def _target(access: Access) -> Target:
    from fairlead.webui.relay import Target

    parts = urlsplit(access.server)
    host = parts.hostname or ""
    return Target(host, parts.port or (443 if access.tls else 80), access.tls, access.server_name or host)
