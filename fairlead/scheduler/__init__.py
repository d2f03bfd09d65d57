"""Decides which node each pod runs on: filters what cannot, scores what can, binds through the API."""
