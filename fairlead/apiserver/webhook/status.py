"""The text for an answer that is not a success, as upstream's client words it (`NewGenericServerResponse`)."""

from __future__ import annotations

from fairlead.machinery.values.quoting import go_quote
from fairlead.runtime.transport import decode_status_error

_MOST_TEXT = 2048
_TEXTS = {
    400: "the server rejected our request for an unknown reason",
    401: "the server has asked for the client to provide credentials",
    404: "the server could not find the requested resource",
    405: "the server does not allow this method on the requested resource",
    409: "the server reported a conflict",
    415: "the server was unable to respond with a content type that the client supports",
    422: "the server rejected our request due to an error in our request",
    429: "the server has received too many requests and has asked us to try again later",
    503: "the server is currently unable to handle the request",
    504: "the server was unable to return a response in the time allotted, but may still be processing the request",
}


def failure_text(code: int, body: bytes, content_type: str) -> str:
    """Returns why an answer with this code is a failure."""
    if body.lstrip().startswith(b"{"):
        found = decode_status_error(code, body)
        if found.details or found.reason:
            return found.message
    text = "unknown"
    if content_type.startswith("text/"):
        text = body[:_MOST_TEXT].decode("utf-8", "replace").strip()
    if code in (403, 406):
        return text
    if code in _TEXTS:
        return _TEXTS[code]
    if code >= 500:
        return f"an error on the server ({go_quote(text)}) has prevented the request from succeeding"
    return f"the server responded with the status code {code} but did not return more information"
