"""Roles and bindings of Fairlead's own components, with the least that each needs. See `policy` for the notation.

Nodes use the Node authorizer; the proxy, the scheduler and the controllers use upstream's roles. Controllers that
write in another way than upstream's have a second role. `system:aggregated-metrics-reader` is upstream's too: its
metrics-server, which is built in here, brings it.
"""

CLUSTER_ROLES = """\
system:aggregated-metrics-reader to=view
  read: pods nodes @ metrics.k8s.io
system:fairlead:addons
  list watch delete: nodes
  create: storageclasses @ storage.k8s.io
system:fairlead:deployment-controller
  patch: deployments/status @ apps
system:fairlead:dns
  list watch: namespaces services pods
  list watch: endpointslices @ discovery.k8s.io
system:fairlead:load-balancer
  patch: services
system:fairlead:relay
  list watch: services
  list watch: endpointslices @ discovery.k8s.io
  patch: services
  events
"""

CLUSTER_BINDINGS = """\
system:fairlead:addons: user=system:fairlead:addons
system:fairlead:deployment-controller: account=deployment-controller
system:fairlead:dns: account=fairlead-dns
system:fairlead:load-balancer: account=service-controller
system:fairlead:relay: user=system:fairlead:relay
"""

NAMESPACE_ROLES = """\
kube-system system:fairlead:addons
  create: configmaps services serviceaccounts
  create: deployments @ apps
  read: configmaps = fairlead-dns
  get update: configmaps = kube-proxy
kube-system system:fairlead:dns
  read: configmaps = fairlead-dns
  create: events
kube-system system:fairlead:host-images
  get: configmaps = fairlead-images
kube-system system:fairlead:kube-proxy
  read: configmaps = kube-proxy
kube-system system:fairlead:nodes
  get: configmaps = kubelet-config
"""

NAMESPACE_BINDINGS = """\
kube-system system:fairlead:addons: user=system:fairlead:addons
kube-system system:fairlead:dns: account=fairlead-dns
kube-system system:fairlead:host-images: group=system:nodes
kube-system system:fairlead:kube-proxy: user=system:kube-proxy
kube-system system:fairlead:nodes: group=system:nodes
"""
