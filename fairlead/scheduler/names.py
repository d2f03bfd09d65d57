"""The name by which pods ask for this scheduler."""

NAME = "default-scheduler"
