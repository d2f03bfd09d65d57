"""The roles and bindings that every cluster has: tables of them, their notation, and how they are kept."""
