"""Objects in protobuf, the form that Go clients prefer: `decode` reads bodies, `encode` writes objects.

A message becomes the JSON tree of the same object, and back, by the types of the kinds and their field numbers, so that
the rest of the server handles JSON only. Wire format: protobuf.dev "Encoding"; the envelope (`k8s\\0` and
`runtime.Unknown`) is upstream's.
"""

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\x00"
"""The beginning of every object; Unknown follows."""
