"""Writes the addresses of each Service's pods into one Endpoints object, for clients that read no EndpointSlices."""
