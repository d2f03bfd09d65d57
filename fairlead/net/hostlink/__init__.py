"""The link between the host and a cluster, for `fairlead up --host-routes` (decision 0008).

`plan.py` decides which addresses the host must not have yet, which addresses the link gets and which messages make it.
`run.py` reads the host's network and makes both ends of the link. Only the end of the cluster's network namespace
removes the link: the kernel then removes both ends, and with the host's end its addresses and routes.
"""
