"""Writes the addresses of each Service's pods into EndpointSlices, with few and small writes."""
