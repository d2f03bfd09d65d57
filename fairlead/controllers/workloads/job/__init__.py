"""Runs the pods of Jobs until enough of them have succeeded, and counts each pod once."""
