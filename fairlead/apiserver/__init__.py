"""The API server. `server.ApiServer` is the way in; the core turns a `Request` into an `Outcome` whatever carried it.

Bytes in the middle: `cache` holds encoded objects, `watch` splices them into events, and only the write path
(`create`, `update`, `delete`, ...) decodes. `http` is the TLS edge, `local` the in-process one.
"""
