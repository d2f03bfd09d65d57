"""Creates the `default` ServiceAccount in every namespace."""
