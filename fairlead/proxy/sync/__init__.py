"""Brings the kernel's rules and flows in line with Services, by the backend that the settings ask for."""
