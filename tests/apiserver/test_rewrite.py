from __future__ import annotations

from functools import partial

import pytest

from fairlead.apiserver.connect.proxying import split
from fairlead.apiserver.connect.rewrite import rewrite_html, rewrite_url
from fairlead.apiserver.requestinfo import request_info
from fairlead.machinery.values.status import StatusError

PREFIX = "/api/v1/namespaces/default/services/web/proxy"
change = partial(rewrite_url, prefix=PREFIX, hosts=("10.244.1.2:8080", "localhost:6443"))


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("/login?next=/", f"{PREFIX}/login?next=/"),
        ("http://10.244.1.2:8080/a/#b", f"{PREFIX}/a/#b"),
        ("https://localhost:6443/a", f"{PREFIX}/a"),
        ("//elsewhere.example/a", "//elsewhere.example/a"),
        ("https://elsewhere.example/a", "https://elsewhere.example/a"),
        ("a/b", "a/b"),
        ("?page=2", "?page=2"),
        ("#top", "#top"),
        ("", ""),
        (f"{PREFIX}/done", f"{PREFIX}/done"),
        ("http://[broken", "http://[broken"),
    ],
)
def test_links_to_the_servers_root_are_bent_and_no_others(url: str, wanted: str) -> None:
    assert change(url) == wanted


def test_html_is_changed_attribute_by_attribute_and_stays_the_same_else() -> None:
    page = b"""<!DOCTYPE html><A HREF='/a' class="/x">/text</a><img alt=x src=/i.png><p>a < b href="/no"</p>\xff"""
    prefix = PREFIX.encode()
    wanted = page.replace(b"'/a'", b"'" + prefix + b"/a'").replace(b"src=/i", b"src=" + prefix + b"/i")
    assert rewrite_html(page, change) == wanted


def test_a_name_may_bring_a_scheme_and_a_port() -> None:
    assert split("web", "service") == ("http", "web", "")
    assert split("web:http", "service") == ("http", "web", "http")
    assert split("https:web:443", "service") == ("https", "web", "443")
    assert split(":web:", "service") == ("http", "web", "")
    for wrong in ("", "ftp:web:21", "a:b:c:d", ":80"):
        with pytest.raises(StatusError, match=f'invalid service request "{wrong}"'):
            split(wrong, "service")


def test_only_a_proxied_path_belongs_to_the_backend() -> None:
    def proxied_from(path: str) -> int:
        return request_info("GET", path, {}).proxied_from

    assert proxied_from(f"{PREFIX}/a/b") == proxied_from(PREFIX) == proxied_from(f"{PREFIX}/") == 8
    assert proxied_from("/api/v1/nodes/node1/proxy/healthz") == 6
    assert proxied_from("/apis/x.example.com/v1/namespaces/default/things/a/proxy/b") == 9
    assert proxied_from("/api/v1/namespaces/default/configmaps/a/status") == 0
    assert proxied_from("/api/v1/namespaces/default/services/proxy") == 0
    assert proxied_from("/apis/proxy") == 0
