"""The built-in provisioner: its volumes are directories in the cluster's folder, which all nodes share."""
