"""Admission by webhooks: HTTPS servers that may change or refuse requests."""
