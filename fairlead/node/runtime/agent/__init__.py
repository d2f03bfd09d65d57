"""The agent's side of the zygote, on asyncio."""
