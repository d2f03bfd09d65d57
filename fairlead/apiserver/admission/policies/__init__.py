"""Admission by policies: expressions in CEL that may change or refuse requests."""
