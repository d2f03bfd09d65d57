"""The node: what upstream's kubelet and container runtime do, for the pods bound to one node.

Wings, from the top (import contracts hold the order): `pods` decides (`pods.deciding`) and acts (`pods.worker`),
`streaming` serves the kubelet API; `probes`; `volumes`; `images`, `nodestatus`, `draining`, and `env` (a container's
variables); `runtime` has the zygote, the small process that starts containers and outlives the agent, and the agent's
side of their protocol. `agent.run` is the way in; `runtime.zygote.main` is what the sandbox forks.
"""
