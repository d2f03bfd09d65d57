"""Containers as processes: the zygote that makes and keeps them, and the agent's side of its socket.

Both sides share `protocol` (values and their transport), `logs` and `limits`. `zygote` answers requests and keeps
containers; between fork and exec its children run `child` and build their `files`. The agent uses `agent`. Standard
library only, by an import contract.
"""
