"""The rules in a node's kernel, as text between the node's agent and the page; imported when the page asks."""

from __future__ import annotations

import json

from fairlead.base.codec import decode, encode
from fairlead.net.errors import KernelError
from fairlead.net.family import of_name
from fairlead.proxy.inspection.reading import read_rules
from fairlead.proxy.inspection.ruleset import NodeText

_FAMILIES = {"ipv4": ("IPv4",), "ipv6": ("IPv6",)}


def read_node_rules(ip_family: str) -> str:
    """Returns the rules of this thread's network namespace in the cluster's families."""
    texts = []
    for name in _FAMILIES.get(ip_family, ("IPv4", "IPv6")):
        try:
            texts.append(read_rules(of_name("IPv6" if name == "IPv6" else "IPv4")))
        except KernelError:
            texts.append(NodeText("", name))
    return json.dumps([encode(NodeText, text) for text in texts])


def decode_node_rules(text: bytes) -> list[NodeText]:
    return [decode(NodeText, tree) for tree in json.loads(text)]
