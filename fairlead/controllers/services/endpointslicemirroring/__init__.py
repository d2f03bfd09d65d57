"""Copies hand-written Endpoints of Services without a selector into EndpointSlices, since proxies read only slices."""
