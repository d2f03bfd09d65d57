"""`docs/compatibility.md` names a test for everything: the tests exist, and no field of a Service is left out."""

from __future__ import annotations

import re
from pathlib import Path

from fairlead.api.core.service.kind import ServiceStatus
from fairlead.api.core.service.spec import ServicePort, ServiceSpec
from fairlead.api.kinds import KINDS
from fairlead.machinery.schemas.schema import schema_of

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "compatibility.md").read_text()


def test_every_test_that_is_named_exists() -> None:
    named = set(re.findall(r"`([\w/]+\.py)::(\w+)`", TEXT))
    assert len(named) > 40
    for file, test in sorted(named):
        source = (ROOT / "tests" / file).read_text()
        assert re.search(rf"^(async )?def {test}\(", source, re.MULTILINE), f"{file}::{test}"


def test_every_row_names_a_test() -> None:
    tables = TEXT.partition("## Where it differs")[0]
    rows = [line for line in tables.splitlines() if line.startswith("| ") and not line.startswith("| ---")]
    heads = {"Field", "Behaviour", "Kind", "Served kind", "Command"}
    for row in rows:
        if row.split("|")[1].strip() not in heads:
            assert "::test_" in row, row


def test_every_field_of_a_service_has_a_row() -> None:
    wanted = {f"spec.{name}" for name in schema_of(ServiceSpec).fields}
    wanted |= {f"spec.ports.{name}" for name in schema_of(ServicePort).fields}
    wanted |= {f"status.{name}" for name in schema_of(ServiceStatus).fields}
    assert wanted <= set(re.findall(r"^\| `([\w.]+)` \|", TEXT, re.MULTILINE))


def test_every_kind_has_a_row_that_says_if_a_component_acts_on_it() -> None:
    rows = dict(re.findall(r"^\| (`\S*v\d\w*` \w+) \| ([^|]+) \|", TEXT, re.MULTILINE))
    served = {f"`{kind.api_version}` {kind.kind}": kind for kind in KINDS}
    missing, gone = sorted(served.keys() - rows.keys()), sorted(rows.keys() - served.keys())
    assert not missing, f"docs/compatibility.md, section 'Every kind': add a row for {', '.join(missing)}"
    assert not gone, f"docs/compatibility.md, section 'Every kind': remove the row of {', '.join(gone)}"
    for name, kind in served.items():
        if kind.inert:
            assert rows[name].startswith("stored"), f"{name} is inert: its row begins with 'stored'"
