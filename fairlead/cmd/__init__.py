"""Wiring: the command line, the processes of a cluster, and the real clock, random numbers and backends of each one.

Only this folder picks implementations. Modules here import lazily: the supervisor stays small for as long as the
cluster runs, and the time from command to cluster is a product goal.
"""
