"""The formats of texts in schemas of custom resources."""

from __future__ import annotations

import pytest

from fairlead.machinery.values.formats import format_test


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("bsonobjectid", "507f1f77bcf86cd799439011", "507f"),
        ("uri", "https://example.com/a", "example"),
        ("email", "a@example.com", "a@"),
        ("hostname", "host.example.com", "-host"),
        ("ipv4", "10.0.0.1", "10.0.0"),
        ("ipv6", "fd00::1", "10.0.0.1"),
        ("cidr", "10.0.0.0/8", "10.0.0.0"),
        ("mac", "00:11:22:33:44:55", "00:11"),
        ("uuid", "a8098c1a-f86e-11da-bd1a-00112444be1e", "a8098c1a"),
        ("uuid3", "bcd02e22-68f0-3046-a512-327cca9def8f", "a8098c1a-f86e-11da-bd1a-00112444be1e"),
        ("uuid4", "025b0d74-00a2-4048-bf57-227c5111bb34", "bcd02e22-68f0-3046-a512-327cca9def8f"),
        ("uuid5", "886313e1-3b8a-5372-9b90-0c9aee199e5d", "025b0d74-00a2-4048-bf57-227c5111bb34"),
        ("isbn", "0321751043", "0321751044"),
        ("isbn10", "0321751043", "978-0321751041"),
        ("isbn13", "978-0321751041", "0321751043"),
        ("creditcard", "4111-1111-1111-1111", "4111-1111-1111-1112"),
        ("ssn", "123-45-6789", "123"),
        ("hexcolor", "#FFFFFF", "#FFFFFG"),
        ("rgbcolor", "rgb(255, 0, 10)", "rgb(256, 0, 10)"),
        ("byte", "aGVsbG8=", "a?"),
        ("date", "2020-02-29", "2021-02-29"),
        ("date-time", "2020-02-29T10:11:12.5Z", "2021-02-29T10:11:12Z"),
        ("datetime", "2020-02-29T10:11:12+01:00", "yesterday"),
        ("duration", "1h30m", "1 moon"),
        ("duration", "3 days", "3"),
        ("k8s-short-name", "a-b", "a.b"),
        ("k8s-long-name", "a.b", "A.b"),
    ],
)
def test_formats_accept_and_refuse(name: str, good: str, bad: str) -> None:
    test = format_test(name)
    assert test is not None
    assert test(good), good
    assert not test(bad), bad


def test_unknown_formats_are_not_checked() -> None:
    assert format_test("int32") is None
    assert format_test("nonsense") is None
