"""What every backend works by: the seam to the loop, its configuration, the node, endpoints that keep their places."""
