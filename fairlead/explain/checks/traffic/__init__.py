"""Traffic: the kernel's rules, what the Service demands of them, and a real connection."""
