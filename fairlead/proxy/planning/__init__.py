"""The ground of every backend: the seam to the loop, its configuration, the node, endpoints that keep their places."""
