"""Commands that use a cluster: its API, its nodes, its Services, its page."""
