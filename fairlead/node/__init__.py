"""The node: what upstream's kubelet and container runtime do, for the pods bound to one node.

`plan` decides (pod, what runs, now -> actions), `worker` and `agent` act; `zygote` is the small process that
starts containers and outlives the agent. `agent.run` is the way in; `zygote.main` is what the sandbox forks.
"""
