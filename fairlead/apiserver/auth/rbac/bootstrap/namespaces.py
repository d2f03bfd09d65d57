"""Roles in the namespaces of the system.

See `policy` for the notation. Source: upstream's bootstrap policy of Kubernetes 1.36 with its default features.
"""

NAMESPACE_ROLES = """\
kube-public system:controller:bootstrap-signer
  read: configmaps
  update: configmaps = cluster-info
  events
kube-system extension-apiserver-authentication-reader
  read: configmaps = extension-apiserver-authentication
kube-system system::leader-locking-kube-controller-manager
  create get list update watch: leases @ coordination.k8s.io
  create get list update watch: leasecandidates @ coordination.k8s.io
kube-system system::leader-locking-kube-scheduler
  create get list update watch: leases @ coordination.k8s.io
  create get list update watch: leasecandidates @ coordination.k8s.io
kube-system system:controller:bootstrap-signer
  read: secrets
kube-system system:controller:cloud-provider
  create get list watch: configmaps
kube-system system:controller:token-cleaner
  delete get list watch: secrets
  events
"""
