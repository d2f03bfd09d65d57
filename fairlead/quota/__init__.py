"""The use of quotas by objects: amounts, scopes, and usage by kind. Pure. Source: upstream's `pkg/quota/v1`."""
