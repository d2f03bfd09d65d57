"""Wiring: the command line, the processes of a cluster, and which real clock, dice and backends each one gets.

The only folder that picks implementations. Its modules import lazily: the supervisor stays small for as long as the
cluster lives, and the time from command to cluster is a product goal.
"""
