"""Reset and snapshots of a running cluster, at paths below `/fairlead/v1/` of the API server.

`plan` decides what is written to the store, `initial` says which objects a fresh cluster has, `folder` is a snapshot
on the disk, `volumes` copies and empties volumes, `pausing` stops the Pods meanwhile, and `service` does the work.

Imported with the first request: a cluster that is never reset does not pay for it.
"""
