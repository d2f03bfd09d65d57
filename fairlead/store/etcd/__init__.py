"""The etcd engine: keys and values as upstream's `/registry`, over the v3 API by gRPC.

Imported only if a cluster's store is etcd (`fairlead[etcd]`): the package `aetcd` carries the generated stubs of the v3
API, `grpcio` the transport. The client of `aetcd` itself is not used: its calls cost two to three times as much as the
stubs', and its watches give no revision of progress.
"""
