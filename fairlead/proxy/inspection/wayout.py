"""The way out of the cluster (`fairlead up --egress`), as far as a trace follows it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address, ip_network

from fairlead.base.dataclass import dataclass
from fairlead.base.texts import Text, text

CARRIED = ("tcp", "udp")
OPENS = "fairlead down && fairlead up --detach --egress"


@dataclass(frozen=True, slots=True)
class WayOut:
    """The packets that leave the cluster."""

    is_open: bool
    inside: Sequence[str] = ()
    """Ranges whose packets stay in the cluster, or are never carried."""
    refused: Sequence[str] = ()
    """Ranges that the user refuses (`--egress-refuse`)."""

    def barrier(self, address: str, protocol: str) -> Text | None:
        """Returns the reason why a packet does not leave the cluster; None if it does."""
        if block := _block_of(address, self.inside):
            return text(
                "packets to {block} never leave the cluster, and nothing in it has the address {address}",
                block=block,
                address=address,
            )
        if not self.is_open:
            return text("nothing leaves the cluster without a way out, which `{command}` opens", command=OPENS)
        if protocol not in CARRIED:
            return text("the way out carries TCP and UDP, and no {protocol}", protocol=protocol.upper())
        if block := _block_of(address, self.refused):
            return text("`fairlead up --egress-refuse` lists {block}", block=block)
        return None


def _block_of(address: str, blocks: Iterable[str]) -> str:
    ip = ip_address(address)
    networks = [one for one in map(ip_network, blocks) if one.version == ip.version and ip in one]
    return str(max(networks, key=lambda one: one.prefixlen)) if networks else ""
