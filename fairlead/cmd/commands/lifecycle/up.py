"""`fairlead up`."""

from __future__ import annotations

import argparse
import os
from functools import partial

from fairlead.base.clock import RealClock
from fairlead.base.numbers import integer
from fairlead.cmd.cluster import flags
from fairlead.cmd.cluster.flags import add_kubeconfig_flag
from fairlead.cmd.cluster.merging import FlagValues
from fairlead.cmd.cluster.ranges import parse_cidrs
from fairlead.cmd.process.starting import Life, start_cluster
from fairlead.proxy.settings.modes import MODES


def configure(parser: argparse.ArgumentParser) -> None:
    _add_life(parser)
    _add_network(parser)
    _add_machine(parser)
    _add_access(parser)
    _add_audit(parser)
    _add_store(parser)


def run(args: argparse.Namespace) -> int:
    tcp, udp = args.expose_host or (None, None)
    given = FlagValues(
        nodes=args.nodes,
        zones=args.zones,
        api_port=args.api_port,
        api_address=args.api_address,
        ip_family=args.ip_family,
        pod_cidr=args.pod_cidr,
        service_cidr=args.service_cidr,
        node_port_range=args.node_port_range,
        upstream=args.upstream,
        registries=args.registries,
        images=args.images,
        expose_host=tcp,
        expose_host_udp=udp,
        egress=args.egress,
        egress_refuse=args.egress_refuse,
        lb_pool=args.lb_pool,
        host_routes=args.host_routes,
        store=args.store,
        etcd_cafile=args.etcd_cafile,
        etcd_certfile=args.etcd_certfile,
        etcd_keyfile=args.etcd_keyfile,
        authorization_mode=args.authorization_mode,
        audit_policy=args.audit_policy,
        audit_log=args.audit_log,
        audit_log_maxsize=args.audit_log_maxsize,
        proxy_mode=args.proxy_mode,
    )
    life = Life(detach=args.detach, parent=args.die_with_parent, kubeconfig=args.kubeconfig, remove=args.remove)
    return start_cluster(args.name, given, life, clock=RealClock())


def _add_life(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--nodes", type=integer, metavar="N", help="number of nodes (default: 1)")
    parser.add_argument(
        "--zones",
        type=integer,
        metavar="N",
        help="number of zones among which the nodes are divided, by the label topology.kubernetes.io/zone (default: 0)",
    )
    parser.add_argument(
        "--detach", action="store_true", help="return when the cluster is ready, and leave it running in the background"
    )
    parser.add_argument(
        "--die-with-parent",
        type=integer,
        nargs="?",
        const=0,
        metavar="PID",
        help="stop the cluster when the process that started this command ends, even by kill -9; with the PID of that "
        "process, its end is noticed even if it ends while this command starts",
    )
    parser.add_argument(
        "--rm",
        dest="remove",
        action="store_true",
        help="delete the cluster when it ends, as `down --purge` does; the cluster must be a new one",
    )
    add_kubeconfig_flag(parser)


def _add_network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ip-family",
        choices=["ipv4", "ipv6", "dual"],
        help="IP families of Pods, Services and nodes: one or both (default: ipv4)",
    )
    parser.add_argument(
        "--pod-cidr",
        type=partial(parse_cidrs, flag="--pod-cidr"),
        metavar="CIDR[,CIDR]",
        help="IP range of Pods, one of each family (default: 10.244.0.0/16, fd00:10:244::/56)",
    )
    parser.add_argument(
        "--service-cidr",
        type=partial(parse_cidrs, flag="--service-cidr"),
        metavar="CIDR[,CIDR]",
        help="IP range of Services, one of each family (default: 10.96.0.0/12, fd00:10:96::/112)",
    )
    parser.add_argument(
        "--node-port-range",
        type=flags.parse_port_range,
        metavar="FIRST-LAST",
        help="port range of NodePort Services (default: 30000-32767)",
    )
    parser.add_argument(
        "--lb-pool",
        type=flags.parse_lb_pool,
        metavar="RANGE,...",
        help="addresses for Services of type LoadBalancer, each FIRST-LAST or CIDR; `default` restores the default "
        "(default: 172.30.0.200-172.30.0.250)",
    )
    parser.add_argument(
        "--proxy-mode",
        choices=MODES,
        help="rules that implement Services (default: as set in ConfigMap kube-system/kube-proxy, initially nftables)",
    )


def _add_machine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--api-port",
        type=flags.parse_api_port,
        metavar="PORT",
        help="port of the API server on 127.0.0.1 (default: 6443, or a free port if that is in use)",
    )
    parser.add_argument(
        "--api-address",
        type=flags.parse_api_address,
        metavar="IP",
        help="IP address of this machine at which other machines reach the API server, or none (default: none)",
    )
    parser.add_argument(
        "--upstream",
        type=flags.parse_upstream,
        metavar="SERVERS",
        default=flags.from_variable("FAIRLEAD_UPSTREAM"),
        help="DNS servers for names outside the cluster: host (those of this machine's resolv.conf), none, or "
        "IP[:PORT],... (default: $FAIRLEAD_UPSTREAM if set, otherwise host)",
    )
    parser.add_argument(
        "--registries",
        type=flags.parse_registries,
        metavar="HOSTS",
        default=flags.from_variable("FAIRLEAD_REGISTRIES"),
        help="registries that nodes may pull images from: host (all that this machine reaches), none, or "
        "HOST[:PORT],... (default: $FAIRLEAD_REGISTRIES if set, otherwise host)",
    )
    parser.add_argument(
        "--images",
        type=_file_or_none,
        metavar="FILE",
        help="catalogue of host images (TOML) that comes before ~/.config/fairlead/images.toml in this cluster, or "
        "none (default: none)",
    )
    parser.add_argument(
        "--expose-host",
        type=flags.parse_exposed,
        metavar="PORT[/udp],...",
        help="ports of this machine's 127.0.0.1 that Pods reach as host.fairlead.internal, e.g. 80,53/udp, or none "
        "(default: none)",
    )
    parser.add_argument(
        "--egress",
        action=argparse.BooleanOptionalAction,
        help="let Pods reach other machines by TCP and UDP, through this process (default: no)",
    )
    parser.add_argument(
        "--egress-refuse",
        type=flags.parse_egress_refuse,
        metavar="CIDR,...",
        help="ranges that Pods do not reach though --egress is set, or none; this machine, link-local and multicast "
        "addresses are never reached (default: none)",
    )
    parser.add_argument(
        "--host-routes",
        action=argparse.BooleanOptionalAction,
        help="add routes to Services, Pods and load balancers on this machine; needs root (default: no)",
    )


def _add_access(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--authorization-mode",
        choices=["RBAC", "AlwaysAllow"],
        help="RBAC: users, Pods and nodes may do what roles permit; AlwaysAllow: every authenticated user may do "
        "everything (default: RBAC; AlwaysAllow for a cluster made by a version without RBAC)",
    )


def _add_audit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--audit-policy",
        type=_file_or_none,
        metavar="FILE",
        help="audit policy (audit.k8s.io/v1): the requests that are recorded in --audit-log, and how much of them; "
        "none: nothing is recorded (default: none)",
    )
    parser.add_argument(
        "--audit-log",
        type=os.path.abspath,
        metavar="FILE",
        help="file to which the audit log is written, one line for each event",
    )
    parser.add_argument(
        "--audit-log-maxsize",
        type=integer,
        metavar="MB",
        help="size in megabytes at which a new file of the audit log begins; five older ones are kept (default: 100)",
    )


def _file_or_none(text: str) -> str:
    return "" if text == "none" else os.path.abspath(text)


def _add_store(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--store",
        metavar="STORE",
        help="store of the cluster's objects: sqlite (a file of the cluster), or an etcd as "
        "etcd+http://HOST:PORT[,HOST:PORT...] or etcd+https://... (default: sqlite)",
    )
    for name, what in (
        ("cafile", "certificate authority of the etcd servers in PEM (default: the authorities of this machine)"),
        ("certfile", "client certificate for the etcd servers in PEM (default: none)"),
        ("keyfile", "private key of the client certificate in PEM (default: none)"),
    ):
        parser.add_argument(f"--etcd-{name}", metavar="FILE", type=os.path.abspath, help=what)
