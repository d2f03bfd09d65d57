"""The library by which components talk to the API: client, watch cache, work queue and the reconcile loop."""
