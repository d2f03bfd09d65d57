"""Containers as processes: the zygote that makes and keeps them, and the agent's side of its socket.

Both sides share `containerspec` and `messages` (values) and `wire` (the transport). The zygote is `zygote` (requests
and exits), `outputs`, `children`, `outbox`, and between fork and exec `launch` and `rootfs`; the agent uses
`zygoteclient`, `exits`, `logread` and `fdio`. Standard library only, by an import contract.
"""
