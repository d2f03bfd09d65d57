"""The names of the proxy's backends: the only list of them. It imports nothing, so that `--help` stays cheap."""

from typing import Literal, get_args

Mode = Literal["nftables", "iptables"]
MODES: tuple[Mode, ...] = get_args(Mode)
DEFAULT_MODE: Mode = "nftables"
