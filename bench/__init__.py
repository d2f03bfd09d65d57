"""Benchmarks: `make bench` runs all; each prints figures next to a baseline of the same run, and asserts nothing."""
