"""Expressions in CEL (https://github.com/google/cel-spec), as Kubernetes extends it: rules of custom resources and
admission policies.

`environment` is the entrance: declare variables, compile, evaluate. Import it when an expression is met, and not at
the head of a module: a cluster without expressions does not pay for it.
"""
