"""The Node authorizer: a node may read what its own Pods use, and no more."""
