"""The meaning of a method, path and query."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.apiserver import requestinfo
from fairlead.apiserver.requestinfo import origin_form, request_info

NAMESPACED = "/api/v1/namespaces/other/pods"


def about(method: str, path: str, **query: str) -> tuple[str, str, str, str, str, str, str]:
    info = request_info(method, path, query)
    assert info.is_resource_request, path
    assert (info.method, info.path) == (method, path)
    return (
        info.verb,
        info.api_group,
        info.api_version,
        info.namespace,
        info.resource,
        info.subresource,
        info.name,
    )


@pytest.mark.parametrize(
    ("method", "path", "wanted"),
    [
        # The first rows are upstream's own examples.
        ("GET", "/api/v1/namespaces", ("list", "", "v1", "", "namespaces", "", "")),
        ("GET", "/api/v1/namespaces/other", ("get", "", "v1", "other", "namespaces", "", "other")),
        ("GET", NAMESPACED, ("list", "", "v1", "other", "pods", "", "")),
        ("GET", f"{NAMESPACED}/foo", ("get", "", "v1", "other", "pods", "", "foo")),
        ("HEAD", f"{NAMESPACED}/foo", ("get", "", "v1", "other", "pods", "", "foo")),
        ("GET", "/api/v1/pods", ("list", "", "v1", "", "pods", "", "")),
        ("HEAD", "/api/v1/pods", ("list", "", "v1", "", "pods", "", "")),
        ("GET", "/api/v1/pods/", ("list", "", "v1", "", "pods", "", "")),
        ("GET", f"{NAMESPACED}/foo/status", ("get", "", "v1", "other", "pods", "status", "foo")),
        ("POST", f"{NAMESPACED}/foo/exec", ("create", "", "v1", "other", "pods", "exec", "foo")),
        ("GET", f"{NAMESPACED}/foo/proxy/a/b", ("get", "", "v1", "other", "pods", "proxy", "foo")),
        ("PUT", "/api/v1/namespaces/other/finalize", ("update", "", "v1", "other", "namespaces", "finalize", "other")),
        ("GET", "/api/v1/watch/pods", ("watch", "", "v1", "", "pods", "", "")),
        ("GET", "/api/v1/watch/namespaces/other/pods", ("watch", "", "v1", "other", "pods", "", "")),
        ("POST", "/api/v1/watch/namespaces/other/pods/foo", ("watch", "", "v1", "other", "pods", "", "foo")),
        ("POST", "/api/v1/namespaces", ("create", "", "v1", "", "namespaces", "", "")),
        ("POST", NAMESPACED, ("create", "", "v1", "other", "pods", "", "")),
        ("PUT", f"{NAMESPACED}/foo", ("update", "", "v1", "other", "pods", "", "foo")),
        ("PATCH", f"{NAMESPACED}/foo", ("patch", "", "v1", "other", "pods", "", "foo")),
        ("DELETE", f"{NAMESPACED}/foo", ("delete", "", "v1", "other", "pods", "", "foo")),
        ("DELETE", NAMESPACED, ("deletecollection", "", "v1", "other", "pods", "", "")),
        ("OPTIONS", NAMESPACED, ("", "", "v1", "other", "pods", "", "")),
        ("POST", "/apis/x.io/v2/namespaces/other/pods", ("create", "x.io", "v2", "other", "pods", "", "")),
        ("GET", "/apis/x.io/v2/nodes/n1", ("get", "x.io", "v2", "", "nodes", "", "n1")),
    ],
)
def test_a_resource_request_has_upstreams_attributes(method: str, path: str, wanted: Any) -> None:
    assert about(method, path) == wanted


@pytest.mark.parametrize(
    "path",
    ["/", "", "/api", "/api/", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/livez/ping", "/apix/v1/pods"],
)
def test_other_paths_have_the_method_as_their_verb(path: str) -> None:
    for method, verb in (("GET", "get"), ("HEAD", "head"), ("POST", "post")):
        info = request_info(method, path, {})
        assert (info.is_resource_request, info.verb, info.path, info.resource) == (False, verb, path, "")


def test_the_watch_parameter_is_read_as_upstream_does() -> None:
    for value, verb in (("true", "watch"), ("1", "watch"), ("", "watch"), ("false", "list"), ("0", "list")):
        assert about("GET", NAMESPACED, watch=value)[0] == verb
    assert about("GET", f"{NAMESPACED}/foo", watch="true")[0] == "get"
    assert about("DELETE", NAMESPACED, watch="true")[0] == "deletecollection"


def test_a_list_of_one_name_names_it() -> None:
    assert about("GET", NAMESPACED, fieldSelector="metadata.name=foo")[-1] == "foo"
    assert about("GET", NAMESPACED, fieldSelector="spec.nodeName=n1,metadata.name=foo", watch="1")[-1] == "foo"
    for selector in (
        "metadata.name!=foo",
        "metadata.name=a/b",
        "spec.nodeName=foo",
        "metadata.name",
        "metadata.name=..",
    ):
        assert about("GET", NAMESPACED, fieldSelector=selector)[-1] == ""
    assert about("DELETE", NAMESPACED, fieldSelector="metadata.name=foo")[-1] == ""


def test_selectors_belong_to_the_verbs_that_honour_them() -> None:
    query = {"fieldSelector": "spec.nodeName=n1", "labelSelector": "a=b"}
    for method, path, has in (
        ("GET", NAMESPACED, True),
        ("DELETE", NAMESPACED, True),
        ("GET", f"{NAMESPACED}/foo", False),
        ("POST", NAMESPACED, False),
    ):
        info = request_info(method, path, query)
        assert (info.field_selector, info.label_selector) == (("spec.nodeName=n1", "a=b") if has else ("", ""))


@given(
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", ""]),
    st.lists(st.sampled_from(["", "api", "apis", "v1", "namespaces", "watch", "a", "pods", "status", "proxy", "é"])),
)
def test_every_path_has_a_meaning_and_keeps_its_pieces(method: str, pieces: list[str]) -> None:
    path = "/" + "/".join(pieces)
    info = request_info(method, path, {})
    assert info.is_resource_request is bool(info.parts)
    for name, index in (("resource", 0), ("name", 1), ("subresource", 2)):
        assert getattr(info, name) == (info.parts[index] if index < len(info.parts) else "")
    if info.proxied_from:
        assert path.split("/")[: info.proxied_from][-1] == "proxy"


_SEGMENTS = st.sampled_from(
    ["", "-", "a", "api", "apis", "v1", "apps", "watch", "namespaces", "pods", "status", "finalize", "proxy", "nodes"]
)


@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "OPTIONS"]),
    start=st.sampled_from(["/api/v1/", "/apis/apps/v1/", "/api/v1/namespaces/a/", "/"]),
    segments=st.lists(_SEGMENTS, max_size=6),
)
def test_a_path_means_the_same_from_the_cache(method: str, start: str, segments: list[str]) -> None:
    path = start + "/".join(segments)
    assert request_info(method, path, {}) == requestinfo._parsed(method, path, {})


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/api?limit=1", "/api?limit=1"),
        ("//version", "//version"),
        ("http://x:1/version?a=http://y/z", "/version?a=http://y/z"),
        ("HTTPS://x/api/v1", "/api/v1"),
        ("https://x", "/"),
        ("https://x?a=/b", "/?a=/b"),
        ("ftp://x/version", "ftp://x/version"),
        ("*", "*"),
        ("x:443", "x:443"),
    ],
)
def test_a_target_may_be_a_whole_url(target: str, path: str) -> None:
    assert origin_form(target) == path
