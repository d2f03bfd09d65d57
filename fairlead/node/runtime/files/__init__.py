"""A container's view of the files: root file system, mounts, paths that are safe to open."""
