"""Structural schemas of custom resources: what a schema keeps, fills in and checks. Values are JSON trees."""
