"""One module a volume type: what it needs of the API, how it is prepared, refreshed and mounted.

A new type is a module here and its line in `volumes/table.py`.
"""
