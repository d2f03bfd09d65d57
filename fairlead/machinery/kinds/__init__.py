"""Kinds of resources: their declaration, the set of them, decoding, checks, tables and discovery."""
