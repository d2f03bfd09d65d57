"""Programs and functions in the namespaces of a running cluster's nodes and Pods."""
