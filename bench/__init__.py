"""Benchmarks: `make bench` runs all; each prints figures beside a baseline of the same run, and asserts nothing."""
