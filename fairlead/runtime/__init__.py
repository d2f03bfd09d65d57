"""How a component talks to the API: client, watch cache, work queue and the reconcile loop."""
