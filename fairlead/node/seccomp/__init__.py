"""Seccomp profiles of the type Localhost: read from the node's folder, checked, and compiled to programs of the kernel.

`profile` reads the format of the OCI runtime specification and Docker's, `compile` makes a program of it; both are
pure. `load` reads the file.
"""
