"""Code common to all kinds: schemas, decoding, patches, selectors, Status errors, tables, OpenAPI.

Pure functions on values and JSON trees; no I/O and no clock.
"""
