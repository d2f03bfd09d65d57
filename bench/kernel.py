"""The kernel's cost of links and rules: the figures of docs/measurements.md that no other benchmark measures.

`python -m bench.kernel`. Everything happens in user and network namespaces of this process, so it needs no root.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable
from functools import partial

from fairlead.net import linux
from fairlead.net.netlink.model import add_veth, delete_link, set_up
from fairlead.net.netlink.run import Netlink
from fairlead.net.nft.model import NftError
from fairlead.net.nft.run import NftKernel

_NEWUSER, _NEWNET = 0x10000000, 0x40000000
_SIZES = (300, 20_000)
_CHAINS = (10, 2000)
_MAP = "map ep { typeof meta l4proto . ip daddr . th dport . meta mark : ip daddr . th dport; }"


def enter() -> None:
    """Enters new namespaces with this user as root. The process must have one thread."""
    uid, gid = os.getuid(), os.getgid()
    linux.unshare(_NEWUSER | _NEWNET)
    linux.put("/proc/self/setgroups", "deny")
    linux.put("/proc/self/uid_map", f"0 {uid} 1")
    linux.put("/proc/self/gid_map", f"0 {gid} 1")


def median_ms(act: Callable[[], object], times: int = 30) -> float:
    took = []
    for _ in range(times):
        start = time.perf_counter()
        act()
        took.append((time.perf_counter() - start) * 1000)
    return statistics.median(took)


def element(i: int, target: int = 8080) -> str:
    return f"tcp . 10.{i >> 16}.{i >> 8 & 255}.{i & 255} . 80 . 0x1 : 10.244.1.2 . {target}"


def elements(first: int, count: int) -> str:
    return ", ".join(element(i) for i in range(first, first + count))


def change(table: str) -> str:
    """Replaces five elements: ten changes in one transaction."""
    keys = ", ".join(element(i).partition(" :")[0] for i in range(5))
    return f"delete element ip {table} ep {{ {keys} }}\nadd element ip {table} ep {{ {elements(0, 5)} }}\n"


def rules() -> None:
    nft = NftKernel()
    for size in _SIZES:
        nft.run_text(f"table ip t{size} {{ {_MAP}\n}}")
        for first in range(0, size, 4000):
            nft.run_text(f"add element ip t{size} ep {{ {elements(first, min(4000, size - first))} }}")
        text = change(f"t{size}")
        kept = median_ms(partial(nft.run_text, text))
        fresh = median_ms(partial(afresh, text))
        program = median_ms(partial(subprocess.run, ["nft", "-f", "-"], input=text.encode(), check=True))
        print(f"ten changes among {size} elements: {kept:.2f} ms; new context {fresh:.2f}; program nft {program:.1f}")
    print(f"a transaction that fails: {median_ms(lambda: refused(nft)):.2f} ms")
    for count in _CHAINS:
        nft.run_text(f"table ip many {{ {_MAP}\n}}\nadd element ip many ep {{ {elements(0, 5)} }}")
        for first in range(0, count, 500):
            nft.run_text("\n".join(f"add chain ip many c{i}" for i in range(first, min(first + 500, count))))
        print(f"ten changes in a table of {count} chains: {median_ms(partial(nft.run_text, change('many'))):.2f} ms")
        nft.run_text("delete table ip many")
    print(f"most elements in one text transaction: {most_elements(nft)}")


def afresh(text: str) -> None:
    NftKernel().run_text(text)


def refused(nft: NftKernel) -> None:
    try:
        nft.run_text(f"add element ip t300 ep {{ {element(1, 9)} }}")
    except NftError:
        return
    raise AssertionError("an element with another value was taken")


def most_elements(nft: NftKernel) -> int:
    """Returns the largest count that is not too long for libnftables' send buffer."""
    low, high = 1000, 200_000
    nft.run_text(f"table ip most {{ {_MAP}\n}}")
    while high - low > 50:
        middle = (low + high) // 2
        try:
            nft.run_text(f"add element ip most ep {{ {elements(0, middle)} }}")
            low = middle
        except NftError:
            high = middle
        nft.run_text("flush map ip most ep")
    return low


def links() -> None:
    with Netlink() as host:
        numbers = iter(range(100, 10_000))

        def pair() -> tuple[int, int]:
            index = next(numbers)
            netns, _ = linux.new_netns()
            made = add_veth(f"v{index}", index, peer_name="eth0", peer_index=2, peer_netns=netns)
            host.execute([made, set_up(index)])
            return index, netns

        made: list[tuple[int, int]] = []
        print(f"a namespace with a link to it: {median_ms(lambda: made.append(pair())):.2f} ms")
        half = len(made) // 2
        gone = iter(made[:half])
        deleted = median_ms(lambda: host.execute([delete_link(index=next(gone)[0])]), half)
        rest = iter(made[half:])
        closed = median_ms(lambda: os.close(next(rest)[1]), half)
        print(f"a link deleted: {deleted:.1f} ms; the namespace of its other end closed: {closed:.4f} ms")


if __name__ == "__main__":
    enter()
    links()
    rules()
