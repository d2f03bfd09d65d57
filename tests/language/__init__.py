"""Measures how plain the English of the code is: `python -m tests.language` counts, `--update` writes the ratchet file.

The words of docstrings and comments are counted for each package. Banned idioms may only become fewer
(`tests/language/ratchet.toml`); the figures for the whole are per 10,000 words.
"""
