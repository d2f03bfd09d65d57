"""Choice of a node for a Pod: affinity, tolerations and gates."""
