"""Keeps the ConfigMap with the cluster's CA certificate in every namespace."""
