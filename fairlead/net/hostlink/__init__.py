"""The link between the host and a cluster, for `fairlead up --host-routes` (decision 0008).

`plan.py` says what the host must not have yet, which addresses the link gets and which messages make it; `run.py` looks
at the host and makes the host's end and the cluster's. Nothing takes the link down but the end of the cluster's network
namespace: with it the kernel removes both ends, and with the host's end its addresses and routes.
"""
