"""Commands about this machine: its images, its abilities, and its part in another cluster."""
