"""The Korean messages of `fairlead why`."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import fairlead.explain
from fairlead.base.texts import catalogue, text
from fairlead.cmd.inspection import resolving, routing, trying
from fairlead.explain.checks import CHECKS, INGRESS_CHECKS, WORKLOAD_CHECKS, Check
from fairlead.explain.diagnose import Diagnosis, Step
from fairlead.explain.finding import fault, note, ok
from fairlead.explain.report import _STAGES, as_tree, render
from fairlead.proxy.inspection import tracing, walk, wayout

_BESIDE = (resolving, routing, trying, tracing, walk, wayout)
"""Modules of other packages with texts that the reports contain."""
FOLDER = Path(fairlead.explain.__file__).parent
KOREAN = catalogue("fairlead.explain", "ko")
_CHECK = Check("selector", "endpoint", lambda _snapshot: None)
_SELECTOR = text("the selector {shown} matches no Pod in namespace {namespace}", shown="app=a", namespace="shop")
_BROKEN = Diagnosis(
    text("{kind}/{name} in namespace {namespace}", kind="svc", name="web", namespace="shop"),
    [
        Step(_CHECK._replace(stage="DNS"), note("kube-dns", "message of a condition", text("the default backend"))),
        Step(
            _CHECK,
            fault("", text("{cause}; did you mean {labels}?", cause=_SELECTOR, labels="app=b"), "event", cure="edit"),
        ),
        Step(_CHECK._replace(stage="Pod"), ok(text("EndpointSlices"))),
    ],
)


def templates() -> set[str]:
    """Returns every English template with words that `fairlead why` can show."""
    found: set[str] = set()
    for path in (*FOLDER.rglob("*.py"), *(Path(str(one.__file__)) for one in _BESIDE)):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "text":
                first = node.args[0]
                assert isinstance(first, ast.Constant), f"{path.name}: a template must be a literal"
                found.add(str(first.value))
    return {one for one in found if re.search("[A-Za-z]", re.sub(r"\{\w+\}", "", one))}


def test_every_message_has_a_korean_translation_with_the_same_values() -> None:
    korean = tomllib.loads((FOLDER / "ko.toml").read_text())
    assert set(korean) == templates()
    for english, translated in korean.items():
        assert set(re.findall(r"\{(\w+)\}", english)) == set(re.findall(r"\{(\w+)\}", translated)), english
        assert re.search("[가-힣]", translated), english


def test_every_finding_is_a_message_that_can_be_translated() -> None:
    for path in (FOLDER / "checks").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("ok", "note", "fault", "unknown")
            ):
                plain = [one for one in node.args if isinstance(one, ast.Constant | ast.JoinedStr | ast.BinOp)]
                assert not plain, f"{path.name}:{node.lineno}"


def test_every_stage_of_a_check_can_be_shown() -> None:
    assert {one.stage for one in (*CHECKS, *WORKLOAD_CHECKS, *INGRESS_CHECKS)} == set(_STAGES)


def test_the_report_in_korean_has_its_columns_below_each_other() -> None:
    assert render(_BROKEN, KOREAN) == (
        "네임스페이스 shop의 svc/web: 동작하지 않습니다. "
        "원인: 셀렉터 app=a에 일치하는 파드가 네임스페이스 shop에 없습니다. 혹시 app=b인가요?\n"
        "  근거: event\n"
        "  해결: edit\n"
        "\n"
        "! DNS         message of a condition\n"
        "              기본 백엔드\n"
        "✗ 엔드포인트  셀렉터 app=a에 일치하는 파드가 네임스페이스 shop에 없습니다. 혹시 app=b인가요?\n"
        "✓ 파드        엔드포인트슬라이스"
    )


def test_json_stays_in_english() -> None:
    tree = as_tree(_BROKEN)
    assert tree["subject"] == "svc/web in namespace shop"
    assert tree["cause"] == "the selector app=a matches no Pod in namespace shop; did you mean app=b?"
    assert tree["checks"][0]["evidence"] == ["the default backend"]
