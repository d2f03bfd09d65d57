"""Numbers of things, and texts made of several."""

from __future__ import annotations

from fairlead.base.texts import Text, text

Message = Text | str
"""A text that can be translated, or one that the API gave."""


def pods_of(number: int) -> Text:
    return text("{number} Pod", number=number) if number == 1 else text("{number} Pods", number=number)


def ready_pods_of(number: int) -> Text:
    return text("{number} ready Pod", number=number) if number == 1 else text("{number} ready Pods", number=number)


def endpoints_of(number: int) -> Text:
    return text("{number} endpoint", number=number) if number == 1 else text("{number} endpoints", number=number)


def clients_of(number: int) -> Text:
    return text("{number} client", number=number) if number == 1 else text("{number} clients", number=number)


def joined(first: Message, rest: Message) -> Text:
    """Returns one text after the other; the template consists of values."""
    return Text("{first}{rest}", {"first": first, "rest": rest})
