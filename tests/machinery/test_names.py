from __future__ import annotations

import ipaddress
import random

import pytest

from fairlead.machinery.values import names

SERVICE_NAME_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


def test_the_dns_texts_are_upstreams_to_the_letter() -> None:
    assert names.dns1035_label("Virtual_IP") == [SERVICE_NAME_TEXT]
    assert names.dns1123_subdomain("Virtual_IP") == [SUBDOMAIN_TEXT]


@pytest.mark.parametrize(
    ("check", "good"),
    [
        (names.dns1123_label, "1a-b"),
        (names.dns1123_subdomain, "a.b-c.d"),
        (names.wildcard_subdomain, "*.a.b"),
        (names.dns1035_label, "a1"),
        (names.path_segment, "system:node"),
        (names.qualified_name, "example.com/My_Name"),
        (names.qualified_name, "app"),
        (names.label_value, ""),
        (names.label_value, "1.14_a"),
        (names.config_key, "nginx.conf"),
        (names.env_name, "my.env-NAME"),
        (names.http_header_name, "X-A"),
        (names.percent, "25%"),
        (names.port_name, "http-1"),
        (names.ip, "::1"),
        (names.ipv4, "10.0.0.1"),
        (names.ipv6, "fd00::1"),
        (names.cidr, "10.0.0.0/8"),
    ],
)
def test_good_strings_pass(check: names.Check, good: str) -> None:
    assert check(good) == []


@pytest.mark.parametrize(
    ("check", "bad", "start"),
    [
        (names.dns1123_label, "a.b", "must not contain dots"),
        (names.dns1123_label, "a" * 64, "must be no more than 63 characters"),
        (names.dns1123_subdomain, "a" * 254, "must be no more than 253 characters"),
        (names.wildcard_subdomain, "a.b", "a wildcard DNS-1123 subdomain must start with"),
        (names.dns1035_label, "1a", "a DNS-1035 label must"),
        (names.path_segment, "..", "may not be '..'"),
        (names.path_segment, "a/b", "may not contain '/'"),
        (names.qualified_name, "", "name part must be non-empty"),
        (names.qualified_name, "/a", "prefix part must be non-empty"),
        (names.qualified_name, "A/a", "prefix part a lowercase RFC 1123 subdomain"),
        (names.qualified_name, "a/b/c", "a qualified name must consist of"),
        (names.label_value, "-", "a valid label must be an empty string"),
        (names.label_value, "a\n", "a valid label must be an empty string"),
        (names.config_key, "..", "must not be '..'"),
        (names.config_key, "a b", "a valid config key must"),
        (names.env_name, "a=b", "a valid environment variable name must"),
        (names.http_header_name, "a b", "a valid HTTP header must"),
        (names.percent, "25", "a valid percent string must"),
        (names.port_name, "80", "must contain at least one letter (a-z)"),
        (names.port_name, "a--b", "must not contain consecutive hyphens"),
        (names.port_name, "-a", "must not begin or end with a hyphen"),
        (names.port_name, "a" * 16, "must be no more than 15 characters"),
        (names.ip, "Virtual_IP", "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"),
        (names.ip, "010.0.0.1", "must be a valid IP address"),
        (names.ip, "fe80::1%eth0", "must be a valid IP address"),
        (names.ipv4, "::1", "must be a valid IPv4 address"),
        (names.ipv6, "10.0.0.1", "must be a valid IPv6 address"),
        (names.cidr, "10.0.0.0", "must be a valid CIDR value"),
        (names.cidr, "10.0.0.0/255.0.0.0", "must be a valid CIDR value"),
    ],
)
def test_bad_strings_are_named_for_what_is_wrong(check: names.Check, bad: str, start: str) -> None:
    assert any(t.startswith(start) for t in check(bad))


def test_a_prefix_may_end_in_a_dash() -> None:
    assert names.dns1123_subdomain(names.as_prefix("web-")) == []
    assert names.dns1123_subdomain(names.as_prefix("web_")) != []


def test_addresses_are_valid_if_the_ipaddress_library_accepts_them() -> None:
    rng = random.Random(1)
    parts = (
        "0",
        "00",
        "01",
        "1",
        "9",
        "10",
        "99",
        "100",
        "199",
        "200",
        "249",
        "250",
        "255",
        "256",
        "-1",
        " 1",
        "",
        "٣",
    )
    for _ in range(3000):
        text = ".".join(rng.choice(parts) for _ in range(rng.choice((4, 4, 4, 3, 5)))) + rng.choice(
            ("", "", "\n", "%1")
        )
        try:
            expected = "%" not in text and bool(ipaddress.ip_address(text))
        except ValueError:
            expected = False
        assert (names.ip(text) == []) == expected, text
