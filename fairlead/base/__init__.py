"""Basics for every layer: clock, id source, task groups and logging.

Only this package reads the real clock or real randomness; the layers above get both as parameters.
"""
