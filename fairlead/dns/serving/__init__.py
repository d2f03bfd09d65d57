"""The server: sockets, batches, the resolver that joins zone and upstreams, and what follows the API."""
