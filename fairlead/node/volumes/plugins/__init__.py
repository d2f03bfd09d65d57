"""A module for each volume type: its needs of the API, and how it is prepared, refreshed and mounted.

A new type is a module here and its line in `volumes/table.py`.
"""
