"""Brings the kernel's rules and conntrack entries in line with Services, by the backend that the settings choose."""
