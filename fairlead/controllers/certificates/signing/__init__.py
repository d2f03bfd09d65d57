"""Signs approved certificate requests of the built-in signers with the key of the cluster's authority."""
