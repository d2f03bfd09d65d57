"""Fills the rules of aggregated ClusterRoles from the roles that their selectors choose."""
