"""docs/machines.md: its commands exist, and the API accepts its objects.

test_machines.py shows their effect, on machines made of namespaces.
"""

from __future__ import annotations

import re
import shlex

import yaml

from fairlead.api.core.service.kind import SERVICE
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE
from fairlead.cmd.cluster.merging import FlagValues, merge
from fairlead.cmd.main import parse
from fairlead.machinery.kinds.decode import decode_tree
from tests.cluster.support import ROOT

PAGE = (ROOT / "docs" / "machines.md").read_text()


def test_every_command_of_the_page_is_understood() -> None:
    lines = re.findall(r"^    fairlead (.*?)(?: \||&|$)", PAGE, re.MULTILINE)
    assert [line.partition(" ")[0] for line in lines] == ["up", "kubeconfig", "proxy", "announce"]
    parsed = [parse(shlex.split(line)) for line in lines]
    given = FlagValues(api_address=parsed[0].api_address, lb_pool=parsed[0].lb_pool)
    made = merge("x", None, given, has_store=False)
    assert (made.api_address, made.lb_pool) == ("192.168.77.1", "192.168.77.200-192.168.77.210")


def test_its_objects_have_no_unknown_field() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    service, piece = yaml.safe_load_all(text)
    assert decode_tree(SERVICE, service).obj.metadata.name == "shop"
    assert [e.nodeName for e in decode_tree(ENDPOINT_SLICE, piece).obj.endpoints] == ["m1", "m2"]
