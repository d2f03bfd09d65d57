"""The names of the proxy's backends and what differs between them for others: the only list of them. It imports nothing
else, so that `--help` stays cheap."""

from typing import Literal, NamedTuple, get_args

Mode = Literal["nftables", "iptables"]
MODES: tuple[Mode, ...] = get_args(Mode)
DEFAULT_MODE: Mode = "nftables"


class ModeFacts(NamedTuple):
    programs: tuple[str, ...] = ()
    """Programs of the machine that the mode runs."""
    package: str = ""
    """Debian's package of the programs."""
    table: str = ""
    """The name of the table that has all rules; empty: there are several, and output names the table of each rule."""
    counted: bool = False
    """The kernel counts each change of the rules."""
    remaps_ports: bool = False
    """Masquerading chooses another source port, which hides the packet from the kernel's trace."""
    localhost_setting: bool = False
    """A setting permits node ports at 127.0.0.1 (`localhostNodePorts`)."""


FACTS: dict[Mode, ModeFacts] = {
    "nftables": ModeFacts(table="fairlead", counted=True),
    "iptables": ModeFacts(
        programs=("iptables", "iptables-restore", "iptables-save"),
        package="iptables",
        remaps_ports=True,
        localhost_setting=True,
    ),
}


def facts_of(mode: str) -> ModeFacts:
    """Returns the facts of a mode; those of no rules at all if the name is empty."""
    return next((facts for name, facts in FACTS.items() if name == mode), ModeFacts(counted=True))
