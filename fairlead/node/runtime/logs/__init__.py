"""Container logs on disk: written by the zygote, read by the agent."""
