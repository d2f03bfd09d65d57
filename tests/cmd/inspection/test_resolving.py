"""The search path of a resolver, as resolv.conf(5) describes it, and the report of a walk."""

from __future__ import annotations

import pytest

from fairlead.cmd.inspection.asking import Answered
from fairlead.cmd.inspection.resolving import (
    Asked,
    Question,
    Resolution,
    as_tree,
    misused,
    render,
)
from fairlead.explain.outcomes import ANSWERED
from fairlead.explain.resolver import ResolvConf, candidates, parse

CONF = ResolvConf(("10.96.0.10",), ("default.svc.cluster.local", "svc.cluster.local", "cluster.local"), 5, "a file")


@pytest.mark.parametrize(
    ("name", "first", "last", "count"),
    [
        ("web", "web.default.svc.cluster.local", "web", 4),
        ("web.shop", "web.shop.default.svc.cluster.local", "web.shop", 4),
        ("a.b.c.d.e", "a.b.c.d.e.default.svc.cluster.local", "a.b.c.d.e", 4),
        ("a.b.c.d.e.f", "a.b.c.d.e.f", "a.b.c.d.e.f.cluster.local", 4),
        ("example.com.", "example.com", "example.com", 1),
    ],
)
def test_names_with_few_dots_are_searched_first(name: str, first: str, last: str, count: int) -> None:
    found = candidates(name, CONF)
    assert (found[0], found[-1], len(found)) == (first, last, count)


def test_resolv_conf_is_read_as_resolvers_read_it() -> None:
    text = (
        "# a comment\nnameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\nnameserver 10.0.0.4\n"
        "search a.example\nsearch b.example. c.example\noptions timeout:1 ndots:3\n\n"
    )
    assert parse(text) == ResolvConf(("10.0.0.1", "10.0.0.2", "10.0.0.3"), ("b.example", "c.example"), 3)
    assert parse("") == ResolvConf((), (), 1)


def test_the_report_shows_each_query_and_its_source() -> None:
    questions = (
        Question("web.x", "A", "10.96.0.10", Answered(ANSWERED, "NXDOMAIN", (), (), True)),
        Question("web", "A", "10.96.0.10", Answered(ANSWERED, "NOERROR", ("a.example",), ("192.0.2.1",), False)),
    )
    found = Resolution("web", "pod/a", CONF, questions)
    assert render(found) == (
        "web resolves from pod/a to 192.0.2.1, as web (query 2)\n"
        "\n"
        "search path by a file: default.svc.cluster.local svc.cluster.local cluster.local (ndots 5)\n"
        "✗ 1. web.x A, asked of 10.96.0.10: NXDOMAIN (the cluster's zone)\n"
        "✓ 2. web A, asked of 10.96.0.10: NOERROR alias of a.example, 192.0.2.1 (forwarded to a server outside)"
    )
    assert (found.exit_code, as_tree(found)["resolves"]) == (0, True)


def test_a_name_that_does_not_resolve_ends_with_1_and_its_cause() -> None:
    questions = (Question("web", "A", "10.96.0.10", Answered("silent")),)
    found = Resolution("web", "node1", CONF, questions, "10.96.0.10 does not answer (silent)", "kubectl get pods")
    assert found.exit_code == 1
    assert render(found).splitlines()[:2] == [
        "web does not resolve from node1: 10.96.0.10 does not answer (silent)",
        "  cure: kubectl get pods",
    ]
    assert render(found).splitlines()[-1] == "✗ 1. web A, asked of 10.96.0.10: silent (nothing)"


@pytest.mark.parametrize(
    ("name", "conf", "cause", "cure"),
    [
        ("web.shop.cluster.local", CONF, "lacks svc", "fairlead why dns web.shop.svc.cluster.local"),
        ("http://web:80/x", CONF, "is a URL or has a port", "fairlead why dns web"),
        ("web:80", CONF, "is a URL or has a port", "fairlead why dns web"),
        ("Web", ResolvConf(("192.0.2.1",), (), 1), "asks 192.0.2.1 and not the cluster's DNS", "kubectl get pod/a"),
        (
            "web",
            ResolvConf(("10.96.0.10",), (), 1, "a file"),
            "pod/a has no search path",
            "fairlead why dns web.shop.svc.cluster.local",
        ),
    ],
)
def test_wrong_names_and_dns_policies_are_told_from_missing_services(
    name: str, conf: ResolvConf, cause: str, cure: str
) -> None:
    asked = Asked(name, "shop", "pod/a", conf, "10.96.0.10", "cluster.local")
    found = misused(asked, [("web", "shop")])
    assert found is not None
    assert cause in str(found[0])
    assert found[1].startswith(cure)


def test_names_of_no_service_and_names_that_are_right_have_no_such_cause() -> None:
    for name in ("database", "web", "web.shop", "web.shop.svc.cluster.local", "example.com"):
        asked = Asked(name, "shop", "pod/a", CONF, "10.96.0.10", "cluster.local")
        assert misused(asked, [("web", "shop")]) is None
