"""Debian's dnsmasq and unbound with the names of the DNS benchmarks. Standard library only: Pods get it as text.

`python -m bench.dnsothers dnsmasq|unbound ADDRESS PORT UPSTREAM UPSTREAM-PORT NAMESPACE SERVICES ENDPOINTS FOLDER`
writes the server's settings to FOLDER and becomes the server. ADDRESS may be 0.0.0.0.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator


def names(namespace: str, count: int, endpoints: int) -> Iterator[tuple[str, str]]:
    """Address and name: `svc-N`, and `big` with all endpoints."""
    for n in range(count):
        yield f"10.97.{n // 250}.{n % 250 + 1}", f"svc-{n}.{namespace}.svc.cluster.local"
    for n in range(endpoints):
        yield f"10.200.{n // 100}.{n % 100 + 1}", f"big.{namespace}.svc.cluster.local"


def dnsmasq(address: str, port: str, upstream: str, hosts: str, folder: str) -> Iterator[str]:
    yield f"port={port}"
    yield from () if address == "0.0.0.0" else (f"listen-address={address}", "bind-interfaces")
    yield from ("no-hosts", "no-resolv", f"addn-hosts={hosts}", "cache-size=10000", f"server={upstream}")
    yield from ("local=/cluster.local/", "local-ttl=5", "user=root", "dns-forward-max=1000")
    yield f"pid-file={folder}/dnsmasq.pid"


def unbound(address: str, port: str, upstream: str, pairs: Iterator[tuple[str, str]]) -> Iterator[str]:
    yield "server:"
    yield from (f"  interface: {address}@{port}", "  access-control: 0.0.0.0/0 allow", "  num-threads: 1")
    yield from ('  chroot: ""', '  username: ""', "  use-syslog: no", "  verbosity: 0", '  pidfile: ""')
    yield from ("  do-not-query-localhost: no", '  module-config: "iterator"', "  rrset-roundrobin: yes")
    yield '  local-zone: "cluster.local." static'
    yield from (f'  local-data: "{name}. 5 IN A {at}"' for at, name in pairs)
    yield from (
        "remote-control:",
        "  control-enable: no",
        "forward-zone:",
        '  name: "."',
        f"  forward-addr: {upstream}",
    )


def main(kind: str, address: str, port: str, upstream: str, upstream_port: str, *rest: str) -> None:
    namespace, count, endpoints, folder = rest
    pairs = names(namespace, int(count), int(endpoints))
    conf, hosts = f"{folder}/fairlead-bench.conf", f"{folder}/fairlead-bench.hosts"
    if kind == "dnsmasq":
        with open(hosts, "w", encoding="ascii") as file:
            file.writelines(f"{at} {name}\n" for at, name in pairs)
        lines = dnsmasq(address, port, f"{upstream}#{upstream_port}", hosts, folder)
        command = ["dnsmasq", "--keep-in-foreground", f"--conf-file={conf}"]
    else:
        lines = unbound(address, port, f"{upstream}@{upstream_port}", pairs)
        command = ["unbound", "-d", "-c", conf]
    with open(conf, "w", encoding="ascii") as file:
        file.writelines(f"{line}\n" for line in lines)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
