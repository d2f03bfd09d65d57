"""Errors as responses."""

from __future__ import annotations

import json
from typing import Any

from fairlead.machinery.kinds.decode import encode
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.client import Response


def error_response(error: StatusError) -> Response:
    """Returns the error as a Status object."""
    headers = {"content-type": "application/json"}
    retry = error.details.get("retryAfterSeconds")
    if retry:
        headers["retry-after"] = str(retry)
    return Response(error.code, _encoded(error.body()), headers)


def _encoded(body: Any) -> bytes:
    try:
        return encode(body) + b"\n"
    except UnicodeEncodeError:
        # The text repeats the client's input, which may be invalid UTF-8.
        return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
