"""Bindings that every cluster has: the binding, then its subjects. The role has the name of the binding.

Service accounts are in kube-system. Source: upstream's bootstrap policy of Kubernetes 1.36.
"""

CLUSTER_BINDINGS = """\
cluster-admin: group=system:masters
system:basic-user: group=system:authenticated
system:discovery: group=system:authenticated
system:kube-controller-manager: user=system:kube-controller-manager
system:kube-dns: account=kube-dns
system:kube-scheduler: user=system:kube-scheduler
system:monitoring: group=system:monitoring
system:node:
system:node-proxier: user=system:kube-proxy
system:public-info-viewer: group=system:authenticated group=system:unauthenticated
system:service-account-issuer-discovery: group=system:serviceaccounts
system:volume-scheduler: user=system:kube-scheduler
"""

NAMESPACE_BINDINGS = """\
kube-public system:controller:bootstrap-signer: account=bootstrap-signer
kube-system system::extension-apiserver-authentication-reader=extension-apiserver-authentication-reader:
  user=system:kube-controller-manager user=system:kube-scheduler
kube-system system::leader-locking-kube-controller-manager:
  user=system:kube-controller-manager account=kube-controller-manager
kube-system system::leader-locking-kube-scheduler: user=system:kube-scheduler account=kube-scheduler
kube-system system:controller:bootstrap-signer: account=bootstrap-signer
kube-system system:controller:cloud-provider: account=cloud-provider
kube-system system:controller:token-cleaner: account=token-cleaner
"""
