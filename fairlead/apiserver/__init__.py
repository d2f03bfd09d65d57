"""The API server. `server.ApiServer` is the entry point; the core turns a `Request` into an `Outcome` for any
transport.

Objects stay bytes between the edges: `cache` holds encoded objects, `watch` splices them into events, and only the
write path (`create`, `update`, `delete`, ...) decodes. `http` is the TLS edge, `local` the in-process transport.
"""
