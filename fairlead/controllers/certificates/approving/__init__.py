"""Approves certificate requests of nodes for client certificates, if authorization allows it."""
