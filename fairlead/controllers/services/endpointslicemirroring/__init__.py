"""Copies hand-written Endpoints of Services without a selector into EndpointSlices, which is all that proxies read."""
