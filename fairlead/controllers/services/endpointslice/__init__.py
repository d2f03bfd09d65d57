"""Writes the addresses behind each Service into EndpointSlices, as few and as small writes as will do."""
