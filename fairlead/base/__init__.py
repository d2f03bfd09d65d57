"""What every layer may use: the clock, the id source, task groups and logging.

This is the only place that reads the real clock or the real dice; everything above is handed them.
"""
