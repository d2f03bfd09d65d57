"""What is true of every kind: schemas, decoding, patches, selectors, Status errors, tables, OpenAPI.

Pure functions on values and JSON trees; nothing here does I/O or reads a clock.
"""
