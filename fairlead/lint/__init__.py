"""Checks manifests without a cluster (`fairlead lint`).

`repair` turns text that is not YAML into YAML, line by line; `document` holds values with their positions; `fields`
compares them with the kinds' schemas; `rules` applies the server's own rules; `checks` compares documents with each
other. Every mistake that is understood is cured in memory, so that one mistake gives one problem, and those after it
are found too. Imports nothing of a running cluster.
"""
