"""The rules for strings that name things: labels of RFC 1123 and 1035, qualified names, addresses, ports.

Every check takes a string and returns the texts of its errors, or an empty list. The texts are upstream's to the
letter, doubled spaces included (`k8s.io/apimachinery/pkg/util/validation`), because people search the web for them. If
a name is only a prefix (`generateName`), check `as_prefix(name)` instead.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Callable

Check = Callable[[str], list[str]]

LABEL_MAX = 63
SUBDOMAIN_MAX = 253
_QUALIFIED_MAX = SUBDOMAIN_MAX + 1 + LABEL_MAX

_LABEL_1123 = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = _LABEL_1123 + "(\\." + _LABEL_1123 + ")*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = f"({_QUALIFIED})?"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_HEADER = "[-A-Za-z0-9]+"
_PERCENT = "[0-9]+%"
_URL_PATH = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+"

_label_1123 = re.compile(_LABEL_1123).fullmatch
_subdomain = re.compile(_SUBDOMAIN).fullmatch
_wildcard = re.compile(r"\*\." + _SUBDOMAIN).fullmatch
_label_1035 = re.compile(_LABEL_1035).fullmatch
_qualified = re.compile(_QUALIFIED).fullmatch
_label_value = re.compile(_LABEL_VALUE).fullmatch
_config_key = re.compile(_CONFIG_KEY).fullmatch
_header = re.compile(_HEADER).fullmatch
_percent = re.compile(_PERCENT).fullmatch
_url_path = re.compile(_URL_PATH).fullmatch
_port_chars = re.compile("[-a-z0-9]+").fullmatch
_has_letter = re.compile("[a-z]").search
_env_name = re.compile("[ -<>-~]+").fullmatch


def regex_text(message: str, pattern: str, *examples: str) -> str:
    """Renders upstream's `RegexError`; the blank after each example's comma is upstream's."""
    if not examples:
        return f"{message} (regex used for validation is '{pattern}')"
    shown = " or ".join(f"'{e}', " for e in examples)
    return f"{message} (e.g. {shown}regex used for validation is '{pattern}')"


def max_length_text(length: int) -> str:
    return f"must be no more than {length} characters"


def range_text(low: int, high: int) -> str:
    return f"must be between {low} and {high}, inclusive"


EMPTY = "must be non-empty"
IP_TEXT = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
CIDR_TEXT = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"

_LABEL_1123_TEXT = regex_text(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character",
    _LABEL_1123,
    "my-name",
    "123-abc",
)
_SUBDOMAIN_TEXT = regex_text(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character",
    _SUBDOMAIN,
    "example.com",
)
_WILDCARD_TEXT = regex_text(
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
    r"\*\." + _SUBDOMAIN,
    "*.example.com",
)
_LABEL_1035_TEXT = regex_text(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
    "start with an alphabetic character, and end with an alphanumeric character",
    _LABEL_1035,
    "my-name",
    "abc-123",
)
_QUALIFIED_TEXT = regex_text(
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    _QUALIFIED,
    "MyName",
    "my.name",
    "123-abc",
)
_LABEL_VALUE_TEXT = regex_text(
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character",
    _LABEL_VALUE,
    "MyValue",
    "my_value",
    "12345",
)


def dns1123_label(value: str) -> list[str]:
    if len(value) <= LABEL_MAX and _label_1123(value):
        return []
    texts = [max_length_text(LABEL_MAX)] if len(value) > LABEL_MAX else []
    if not _label_1123(value):
        texts.append("must not contain dots" if _subdomain(value) else _LABEL_1123_TEXT)
    return texts


def dns1123_subdomain(value: str) -> list[str]:
    texts = [max_length_text(SUBDOMAIN_MAX)] if len(value) > SUBDOMAIN_MAX else []
    if not _subdomain(value):
        texts.append(_SUBDOMAIN_TEXT)
    return texts


def wildcard_subdomain(value: str) -> list[str]:
    texts = [max_length_text(SUBDOMAIN_MAX)] if len(value) > SUBDOMAIN_MAX else []
    if not _wildcard(value):
        texts.append(_WILDCARD_TEXT)
    return texts


def dns1035_label(value: str) -> list[str]:
    texts = [max_length_text(LABEL_MAX)] if len(value) > LABEL_MAX else []
    if not _label_1035(value):
        texts.append(_LABEL_1035_TEXT)
    return texts


def path_segment(value: str) -> list[str]:
    """Checks a name that may be any segment of a URL path."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{c}'" for c in "/%" if c in value]


def qualified_name(value: str) -> list[str]:
    """Checks the key of a label or annotation: `name` or `dns.subdomain/name`."""
    return list(_kept_problems(value)) if len(value) <= _QUALIFIED_MAX else _qualified_problems(value)


@functools.lru_cache(maxsize=512)
def _kept_problems(value: str) -> tuple[str, ...]:
    """Returns the problems of a key from a cache: there are few keys, and every object has some of them."""
    return tuple(_qualified_problems(value))


def _qualified_problems(value: str) -> list[str]:
    prefix, slash, name = value.partition("/")
    if not slash:
        name = value
        texts: list[str] = []
    elif "/" in name:
        suffix = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return ["a qualified name " + _QUALIFIED_TEXT + suffix]
    elif not prefix:
        texts = [f"prefix part {EMPTY}"]
    else:
        texts = [f"prefix part {t}" for t in dns1123_subdomain(prefix)]
    if not name:
        texts.append(f"name part {EMPTY}")
    elif len(name) > LABEL_MAX:
        texts.append(f"name part {max_length_text(LABEL_MAX)}")
    if not _qualified(name):
        texts.append(f"name part {_QUALIFIED_TEXT}")
    return texts


def label_value(value: str) -> list[str]:
    texts = [max_length_text(LABEL_MAX)] if len(value) > LABEL_MAX else []
    if not _label_value(value):
        texts.append(_LABEL_VALUE_TEXT)
    return texts


def config_key(value: str) -> list[str]:
    """Checks a key of a ConfigMap or Secret, which becomes a file name."""
    texts = [max_length_text(SUBDOMAIN_MAX)] if len(value) > SUBDOMAIN_MAX else []
    if not _config_key(value):
        text = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        texts.append(regex_text(text, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    if value in (".", ".."):
        texts.append(f"must not be '{value}'")
    elif value.startswith(".."):
        texts.append("must not start with '..'")
    return texts


def env_name(value: str) -> list[str]:
    if not value:
        return ["environment variable name " + EMPTY]
    if not _env_name(value):
        return ["a valid environment variable name must consist only of printable ASCII characters other than '='"]
    return []


def http_header_name(value: str) -> list[str]:
    if _header(value):
        return []
    text = "a valid HTTP header must consist of alphanumeric characters or '-'"
    return [regex_text(text, _HEADER, "X-Header-Name")]


_SYSCTL = "([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_sysctl = re.compile(_SYSCTL).fullmatch


def sysctl(value: str) -> list[str]:
    """Checks the name of a kernel setting, with dots or slashes."""
    if len(value) <= 253 and _sysctl(value):
        return []
    return [f"must have at most 253 characters and match regex ^{_SYSCTL}$"]


def url_path(value: str) -> list[str]:
    return [] if _url_path(value) else [regex_text("Invalid path", _URL_PATH)]


def percent(value: str) -> list[str]:
    """Checks a percentage such as `25%`."""
    if _percent(value):
        return []
    text = "a valid percent string must be a numeric string followed by an ending '%'"
    return [regex_text(text, _PERCENT, "1%", "93%")]


def port_name(value: str) -> list[str]:
    """Checks an IANA service name (RFC 6335), the form of names of container ports and target ports."""
    texts = [max_length_text(15)] if len(value) > 15 else []
    if not _port_chars(value):
        texts.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not _has_letter(value):
        texts.append("must contain at least one letter (a-z)")
    if "--" in value:
        texts.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        texts.append("must not begin or end with a hyphen")
    return texts


def port_number(value: int) -> list[str]:
    return in_range(value, 1, 65535)


def in_range(value: int, low: int, high: int) -> list[str]:
    """Checks a number against bounds, both included."""
    return [] if low <= value <= high else [range_text(low, high)]


_BYTE = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = re.compile(rf"{_BYTE}(?:\.{_BYTE}){{3}}", re.ASCII)
"""Ten times faster than `ipaddress` (docs/measurements.md, 10): each write of a slice checks up to 1,000 addresses."""


def ip(value: str) -> list[str]:
    if not _is_ip(value):
        return [IP_TEXT]
    return ["must not be an IPv4-mapped IPv6 address"] if _is_mapped(value) else []


def ipv4(value: str) -> list[str]:
    return ip(value) if "." in value and _is_ip(value) else ["must be a valid IPv4 address"]


def ipv6(value: str) -> list[str]:
    return ip(value) if ":" in value and _is_ip(value) else ["must be a valid IPv6 address"]


def cidr(value: str) -> list[str]:
    if "/" not in value or "%" in value:
        return [CIDR_TEXT]
    try:
        ipaddress.ip_interface(value)
    except ValueError:
        return [CIDR_TEXT]
    address, _, bits = value.partition("/")
    if not (bits.isdecimal() and _is_ip(address)):
        return [CIDR_TEXT]
    return ["must not have an IPv4-mapped IPv6 address"] if _is_mapped(address) else []


def canonical_ip(value: str) -> list[str]:
    """Checks an address in a newer field or name, which allows only the canonical form of each address."""
    if texts := ip(value):
        return texts
    address = ipaddress.ip_address(value)
    return [] if value == str(address) else [_canonical_text(str(address))]


def canonical_cidr(value: str) -> list[str]:
    if texts := cidr(value):
        return texts
    network = ipaddress.ip_interface(value).network
    return [] if value == str(network) else [_canonical_text(str(network))]


def interface_address(value: str) -> list[str]:
    """Checks an address with the length of its network's prefix."""
    try:
        found = ipaddress.ip_interface(value)
    except ValueError:
        found = None
    if found is None or "/" not in value or "%" in value:
        return ["must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)"]
    return [] if value == str(found) else [_canonical_text(str(found))]


def _canonical_text(value: str) -> str:
    return f'must be in canonical form ("{value}")'


def _is_ip(value: str) -> bool:
    """Returns whether the text is an address. One with a zone (`fe80::1%eth0`) is not, as in Go's `net.ParseIP`."""
    if _IPV4.fullmatch(value):
        return True
    if "%" in value:
        return False
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _is_mapped(value: str) -> bool:
    """Returns whether the valid address is IPv4 written as IPv6: programs disagree about its family."""
    return ":" in value and ipaddress.IPv6Address(value).ipv4_mapped is not None


def as_prefix(value: str) -> str:
    """Returns the name to check in place of a `generateName`: a trailing dash is valid, since a suffix follows."""
    return value[:-2] + "a" if len(value) > 1 and value.endswith("-") else value


NAME_RULES: dict[str, Check] = {
    "subdomain": dns1123_subdomain,
    "label": dns1123_label,
    "dns1035": dns1035_label,
    "path-segment": path_segment,
    "ip": canonical_ip,
}
"""The rules that `Kind.name_rule` may name."""

FORMATS: dict[str, Check] = {
    "dns-label": dns1123_label,
    "dns1123-label": dns1123_label,
    "dns1123-subdomain": dns1123_subdomain,
    "dns-subdomain": dns1123_subdomain,
    "dns1035-label": dns1035_label,
    "qualified-name": qualified_name,
    "label-value": label_value,
    "config-key": config_key,
    "env-name": env_name,
    "http-header-name": http_header_name,
    "port-name": port_name,
    "ip": ip,
    "ipv4": ipv4,
    "ipv6": ipv6,
    "cidr": cidr,
}
"""The checks of a `Format(name)` marker. Names that are missing here (`int32`, `date-time`) are checked elsewhere or
only name the format in OpenAPI. An empty string is never checked: `Required` rejects it."""
