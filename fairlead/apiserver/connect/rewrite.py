"""Rewrites a proxied server's links to itself so that they work through the proxy. Pure.

Only links to the server's root are changed: relative ones work already, and those to other hosts must stay. HTML is
changed in place, attribute by attribute, so that everything else stays the same byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

_URLS = b"action|background|cite|classid|codebase|data|formaction|href|icon|longdesc|manifest|poster|profile|src|usemap"
_TAG = re.compile(rb"<[A-Za-z][^<>]*>")
_ATTRIBUTE = re.compile(
    rb"""(\s(?:%s)\s*=\s*)(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""" % _URLS,
    re.IGNORECASE,
)


def rewrite_url(url: str, *, prefix: str, hosts: tuple[str, ...]) -> str:
    """Returns `url` moved below `prefix`; `hosts` are the names of the server itself."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    if (parts.netloc and parts.netloc not in hosts) or not parts.path.startswith("/"):
        return url
    path = parts.path if parts.path.startswith(prefix) else prefix + parts.path
    return path + (f"?{parts.query}" if parts.query else "") + (f"#{parts.fragment}" if parts.fragment else "")


def rewrite_html(page: bytes, change: Callable[[str], str]) -> bytes:
    """Returns the page with every link changed by `change`."""

    def attribute(match: re.Match[bytes]) -> bytes:
        quote = b'"' if match[2] is not None else b"'" if match[3] is not None else b""
        value = next(group for group in match.groups()[1:] if group is not None)
        changed = change(value.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        return match[1] + quote + changed + quote

    return _TAG.sub(lambda tag: _ATTRIBUTE.sub(attribute, tag[0]), page)
