"""The command line. Each command imports what it needs when it runs; `fairlead --help` needs next to nothing."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from fairlead import __version__
from fairlead.base.numbers import integer
from fairlead.cmd.errors import CommandError

DEFAULT_NAME = "default"
DEMO_NAME = "demo"

_ABOUT = "A Kubernetes-compatible cluster on one Linux machine, in a second, without root, with real Services."
_AFTER = """\
first steps:
  fairlead demo                        a cluster with three nginx Pods and Services in front, and proof that it works
  fairlead up --detach --nodes 3       a cluster of three nodes
  eval "$(fairlead env)"               point kubectl at it
  fairlead shell node2 -- ip route     look at the cluster's network from a node
  fairlead down                        stop it; `up` brings the same objects back"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, exit code 2."""
        self.exit(2, f"{self.prog}: {message} (see `{self.prog} --help`)\n")


def build_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="fairlead", description=_ABOUT, epilog=_AFTER, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, text: str, default_name: str = DEFAULT_NAME) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False)
        made.add_argument(
            "--name", default=default_name, help=f"which cluster (default: {default_name}); several run side by side"
        )
        return made

    _add_up(command("up", "start a cluster; what is not given is as it was the last time"))
    down = command("down", "stop a cluster")
    down.add_argument("--purge", action="store_true", help="and forget its objects, certificates, logs and settings")
    status = command("status", "say what runs")
    status.add_argument("-o", "--output", choices=["json"], help="for programs")
    command("env", "print the line that points kubectl at the cluster")
    command("kubeconfig", "print the kubeconfig file")
    shell = command("shell", "run a shell, or a command, on a node: the host's files, the cluster's network")
    shell.add_argument("node", nargs="?", help="such as node2 (default: the first node)")
    shell.usage = "fairlead shell [-h] [--name NAME] [NODE] [-- CMD...]"
    _add_services(command("services", "say under which URLs this machine reaches the Services"))
    _add_open(command("open", "open a Service in the browser"))
    text = "make load balancers' addresses answer on the network of this machine (root; see docs/machines.md)"
    _add_announce(command("announce", text))
    command("demo", "show it all: a fresh cluster, Pods, Services and who answered", DEMO_NAME)
    _add_proxy(commands)
    command("version", "print the version")
    return parser


def _add_up(up: argparse.ArgumentParser) -> None:
    up.add_argument("--nodes", type=integer, metavar="N", help="how many nodes (default: 1)")
    up.add_argument("--detach", action="store_true", help="return when the cluster is ready, and leave it running")
    up.add_argument(
        "--die-with-parent",
        type=integer,
        nargs="?",
        const=0,
        metavar="PID",
        help="stop the cluster when the process that started this one ends, even by kill -9; with its PID, an end "
        "before this program runs counts too",
    )
    up.add_argument(
        "--api-port", type=integer, metavar="P", help="of the API on 127.0.0.1 (default: 6443, or a free one)"
    )
    up.add_argument(
        "--ip-family",
        choices=["ipv4", "ipv6", "dual"],
        help="what Pods, Services and nodes have: one of them or both (default: ipv4)",
    )
    up.add_argument(
        "--pod-cidr",
        metavar="C[,C6]",
        help="addresses of Pods, one range or one of each family (default: 10.244.0.0/16, fd00:10:244::/56)",
    )
    up.add_argument(
        "--service-cidr",
        metavar="C[,C6]",
        help="addresses of Services, likewise (default: 10.96.0.0/12, fd00:10:96::/112)",
    )
    up.add_argument("--node-port-range", metavar="A-B", help="ports of NodePort Services (default: 30000-32767)")
    up.add_argument(
        "--upstream",
        metavar="U",
        default=os.environ.get("FAIRLEAD_UPSTREAM"),
        help="who is asked about names outside the cluster: host (its resolv.conf), none, or ADDRESS[:PORT],... "
        "(default: $FAIRLEAD_UPSTREAM, or host)",
    )
    up.add_argument(
        "--expose-host",
        metavar="P,...",
        help="ports of this machine's 127.0.0.1 that Pods reach as host.fairlead.internal: 80,53/udp (default: none)",
    )
    up.add_argument(
        "--api-address",
        metavar="A",
        help="an address of this machine at which other machines reach the API (default: none, only 127.0.0.1)",
    )
    up.add_argument(
        "--lb-pool",
        metavar="A-B,...",
        help="addresses of load balancers, as A-B or CIDR (default: 172.30.0.200-250, which `default` goes back to)",
    )
    up.add_argument(
        "--host-routes",
        action=argparse.BooleanOptionalAction,
        help="give this machine routes to Services, Pods and load balancers; only root may (default: no)",
    )
    up.add_argument(
        "--store",
        metavar="S",
        help="where objects are kept: sqlite (a file of the cluster), or etcd+http://HOST:PORT[,HOST:PORT...] or "
        "etcd+https://... (default: sqlite)",
    )
    for name, what in (
        ("cafile", "certificate authority of the etcd members (default: the system's)"),
        ("certfile", "client certificate shown to etcd"),
        ("keyfile", "key of the client certificate"),
    ):
        up.add_argument(f"--etcd-{name}", metavar="FILE", type=os.path.abspath, help=f"{what}; PEM")
    up.add_argument(
        "--proxy-mode",
        choices=["nftables", "iptables"],
        help="whose rules lead to Services (default: what ConfigMap kube-system/kube-proxy says, at first nftables)",
    )


def _add_proxy(commands: Any) -> None:
    from fairlead.cmd.commands.proxyflags import add_flags

    text = "proxy Services on a node of any cluster, in the network namespace where this is started"
    made = commands.add_parser("proxy", help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False)
    made.set_defaults(name=DEFAULT_NAME)
    add_flags(made)


def _add_services(services: argparse.ArgumentParser) -> None:
    services.add_argument("-n", "--namespace", default="", help="only of this namespace (default: of all)")
    services.add_argument("-o", "--output", choices=["json"], help="for programs")


def _add_open(opened: argparse.ArgumentParser) -> None:
    opened.add_argument("service", nargs="?", metavar="svc/NAME", help="a Service of type LoadBalancer or NodePort")
    opened.add_argument("-n", "--namespace", default="default", help="where it is (default: default)")
    opened.add_argument("--port", default="", metavar="P", help="which port, by number or name (default: the first)")
    opened.add_argument("--print", action="store_true", dest="only_print", help="print the URL instead")


def _add_announce(made: argparse.ArgumentParser) -> None:
    made.add_argument("--kubeconfig", default="", metavar="FILE", help="of another cluster (default: that of --name)")
    made.add_argument("--interface", default="", metavar="LINK", help="the machine's link, such as eth0")
    made.add_argument("--hostname-override", default="", metavar="NODE", help="the machine's name (default: hostname)")


def _announce(args: argparse.Namespace) -> int:
    from fairlead.cmd.commands.announce import announce

    return announce(args.name, args.kubeconfig, args.interface, args.hostname_override)


def _up(args: argparse.Namespace) -> int:
    from fairlead.base.clock import RealClock
    from fairlead.cmd.cluster import config
    from fairlead.cmd.commands.up import up

    if args.api_port is not None and not 1 <= args.api_port <= 65535:
        raise CommandError(f"--api-port {args.api_port}: a port is a number from 1 to 65535", 2)
    exposed = config.parse_exposed(args.expose_host) if args.expose_host else (None, None)
    given = config.Given(
        nodes=args.nodes,
        api_port=args.api_port,
        api_address=config.parse_api_address(args.api_address) if args.api_address else None,
        ip_family=args.ip_family,
        pod_cidr=args.pod_cidr and config.parse_cidrs(args.pod_cidr, "--pod-cidr"),
        service_cidr=args.service_cidr and config.parse_cidrs(args.service_cidr, "--service-cidr"),
        node_port_range=args.node_port_range and config.parse_port_range(args.node_port_range),
        upstream=args.upstream and config.parse_upstream(args.upstream),
        expose_host=exposed[0],
        expose_host_udp=exposed[1],
        lb_pool=config.parse_lb_pool(args.lb_pool) if args.lb_pool is not None else None,
        host_routes=args.host_routes,
        store=args.store,
        etcd_cafile=args.etcd_cafile,
        etcd_certfile=args.etcd_certfile,
        etcd_keyfile=args.etcd_keyfile,
        proxy_mode=args.proxy_mode,
    )
    return up(args.name, given, detach=args.detach, parent=args.die_with_parent, clock=RealClock())


def _down(args: argparse.Namespace) -> int:
    from fairlead.cmd.commands.down import down

    return down(args.name, forget=args.purge)


def _status(args: argparse.Namespace) -> int:
    from fairlead.cmd.commands.status import status

    return status(args.name, as_json=args.output == "json")


def _env(args: argparse.Namespace) -> int:
    from fairlead.cmd.commands.status import kubeconfig_path

    path = str(kubeconfig_path(args.name))
    print(f"export KUBECONFIG={_quoted(path)}")
    return 0


def _kubeconfig(args: argparse.Namespace) -> int:
    from fairlead.cmd.commands.status import kubeconfig_path

    sys.stdout.write(kubeconfig_path(args.name).read_text(encoding="utf-8"))
    return 0


def _shell(args: argparse.Namespace) -> int:
    from fairlead.cmd.commands.shell import shell

    return shell(args.name, args.node, args.argv)


def _services(args: argparse.Namespace) -> int:
    from fairlead.cmd.commands.services import services

    return services(args.name, namespace=args.namespace, as_json=args.output == "json")


def _open(args: argparse.Namespace) -> int:
    from fairlead.base.clock import RealClock
    from fairlead.cmd.commands.services import open_service

    return open_service(
        args.name,
        args.service,
        namespace=args.namespace,
        port=args.port,
        only_print=args.only_print,
        clock=RealClock(),
    )


def _demo(args: argparse.Namespace) -> int:
    from fairlead.base.clock import RealClock
    from fairlead.cmd.commands.demo import demo

    return demo(args.name, clock=RealClock())


def _proxy(args: argparse.Namespace) -> int:
    from fairlead.base.clock import RealClock
    from fairlead.cmd.commands.proxy import proxy

    return proxy(args, clock=RealClock())


def _version(_: argparse.Namespace) -> int:
    print(f"fairlead {__version__}")
    return 0


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "up": _up,
    "down": _down,
    "status": _status,
    "env": _env,
    "kubeconfig": _kubeconfig,
    "shell": _shell,
    "services": _services,
    "open": _open,
    "announce": _announce,
    "demo": _demo,
    "proxy": _proxy,
    "version": _version,
}


def _quoted(text: str) -> str:
    from shlex import quote

    return quote(text)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments; what follows `--` is `argv`, untouched, and only `shell` takes it."""
    parser = build_parser()
    head, tail = list(argv), []
    if "--" in head:
        cut = head.index("--")
        head, tail = head[:cut], head[cut + 1 :]
    args = parser.parse_args(head)
    if tail and args.command != "shell":
        parser.error(f"`{args.command}` takes no command after `--`")
    args.argv = tail
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code. 0: done, 1: could not be done, 2: wrong use."""
    try:
        args = parse(sys.argv[1:] if argv is None else argv)
        from fairlead.cmd.cluster.config import parse_name

        parse_name(args.name)
        code = COMMANDS[args.command](args)
        sys.stdout.flush()
        return code
    except CommandError as e:
        return _fail(str(e), e.code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except Exception as e:  # the top of the program: users get a line, not a traceback
        if os.environ.get("FAIRLEAD_DEBUG"):
            raise
        detail = str(e) if isinstance(e, OSError) else f"internal error: {e!r} (FAIRLEAD_DEBUG=1 shows where)"
        return _fail(detail, 1)


def _fail(message: str, code: int) -> int:
    print(f"fairlead: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
