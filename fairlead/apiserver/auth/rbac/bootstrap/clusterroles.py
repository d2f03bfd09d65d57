"""Cluster roles that every cluster has.

See `policy` for the notation. Source: upstream's bootstrap policy of Kubernetes 1.36 with its default features.
"""

CLUSTER_ROLES = """\
admin of=admin
cluster-admin
  *: * @ *
  * path: *
edit of=edit to=admin
system:aggregate-to-admin to=admin
  create: localsubjectaccessreviews @ authorization.k8s.io
  readwrite: rolebindings roles @ rbac.authorization.k8s.io
system:aggregate-to-edit to=edit
  read: pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy
  impersonate: serviceaccounts
  write: pods pods/attach pods/exec pods/portforward pods/proxy
  create: pods/eviction
  write: configmaps persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets
      serviceaccounts services services/proxy
  create: serviceaccounts/token
  write: events @ core events.k8s.io
  write: daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale
      statefulsets statefulsets/scale @ apps
  write: horizontalpodautoscalers @ autoscaling
  write: cronjobs jobs @ batch
  write: daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies replicasets
      replicasets/scale replicationcontrollers/scale @ extensions
  write: poddisruptionbudgets @ policy
  write: ingresses networkpolicies @ networking.k8s.io
  readwrite: leases @ coordination.k8s.io
  write: resourceclaims resourceclaimtemplates @ resource.k8s.io
system:aggregate-to-view to=view
  read: configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers
      replicationcontrollers/scale serviceaccounts services services/status
  read: bindings limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas
      resourcequotas/status
  read: namespaces
  read: events @ core events.k8s.io
  read: endpointslices @ discovery.k8s.io
  read: controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status
      replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status @
      apps
  read: horizontalpodautoscalers horizontalpodautoscalers/status @ autoscaling
  read: cronjobs cronjobs/status jobs jobs/status @ batch
  read: daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status
      networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale @ extensions
  read: poddisruptionbudgets poddisruptionbudgets/status @ policy
  read: ingresses ingresses/status networkpolicies @ networking.k8s.io
  read: resourceclaims resourceclaims/status resourceclaimtemplates @ resource.k8s.io
system:auth-delegator
  create: tokenreviews @ authentication.k8s.io
  create: subjectaccessreviews @ authorization.k8s.io
system:basic-user
  create: selfsubjectaccessreviews selfsubjectrulesreviews @ authorization.k8s.io
  create: selfsubjectreviews @ authentication.k8s.io
system:certificates.k8s.io:certificatesigningrequests:nodeclient
  create: certificatesigningrequests/nodeclient @ certificates.k8s.io
system:certificates.k8s.io:certificatesigningrequests:selfnodeclient
  create: certificatesigningrequests/selfnodeclient @ certificates.k8s.io
system:certificates.k8s.io:kube-apiserver-client-approver
  approve: signers @ certificates.k8s.io = kubernetes.io/kube-apiserver-client
system:certificates.k8s.io:kube-apiserver-client-kubelet-approver
  approve: signers @ certificates.k8s.io = kubernetes.io/kube-apiserver-client-kubelet
system:certificates.k8s.io:kubelet-serving-approver
  approve: signers @ certificates.k8s.io = kubernetes.io/kubelet-serving
system:certificates.k8s.io:legacy-unknown-approver
  approve: signers @ certificates.k8s.io = kubernetes.io/legacy-unknown
system:discovery
  get path: /api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/
system:heapster
  read: events namespaces nodes pods
  read: deployments @ extensions
system:kube-aggregator
  read: endpoints services
system:kube-controller-manager
  events
  create: leases @ coordination.k8s.io
  get update: leases @ coordination.k8s.io = kube-controller-manager
  create: secrets serviceaccounts
  delete: secrets
  get: configmaps namespaces secrets serviceaccounts
  update: secrets serviceaccounts
  create: tokenreviews @ authentication.k8s.io
  create: subjectaccessreviews @ authorization.k8s.io
  list watch: * @ *
  create: serviceaccounts/token
system:kube-dns
  list watch: endpoints services
system:kube-scheduler
  events
  create: leases @ coordination.k8s.io
  get list update watch: leases @ coordination.k8s.io = kube-scheduler
  readwrite: leasecandidates @ coordination.k8s.io
  read: nodes
  delete get list watch: pods
  create: bindings pods/binding
  patch update: pods/status
  read: replicationcontrollers services
  read: replicasets @ apps extensions
  read: statefulsets @ apps
  read: poddisruptionbudgets @ policy
  read: persistentvolumeclaims persistentvolumes
  create: tokenreviews @ authentication.k8s.io
  create: subjectaccessreviews @ authorization.k8s.io
  read: csinodes @ storage.k8s.io
  read: volumeattachments @ storage.k8s.io
  read: namespaces
  read: csidrivers @ storage.k8s.io
  read: csistoragecapacities @ storage.k8s.io
  read: deviceclasses @ resource.k8s.io
  get list patch update watch: resourceclaims @ resource.k8s.io
  get list patch update watch: resourceclaims/status @ resource.k8s.io
  update: pods/finalizers
  read: resourceslices @ resource.k8s.io
  create delete: resourceclaims @ resource.k8s.io
  patch update: resourceclaims/binding @ resource.k8s.io
system:kubelet-api-admin
  read: nodes
  proxy: nodes
  *: nodes/log nodes/metrics nodes/proxy nodes/stats
  *: nodes/configz nodes/healthz nodes/pods
system:monitoring
  get path: /flagz /healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/* /statusz
  get: nodes/metrics
system:node
  create: tokenreviews @ authentication.k8s.io
  create: localsubjectaccessreviews subjectaccessreviews @ authorization.k8s.io
  read: services
  create get list watch: nodes
  patch update: nodes/status
  patch update: nodes
  events
  read: pods
  create delete: pods
  patch update: pods/status
  create: pods/eviction
  read: configmaps secrets
  get: persistentvolumeclaims persistentvolumes
  get: endpoints
  create get list watch: certificatesigningrequests @ certificates.k8s.io
  create delete get patch update: leases @ coordination.k8s.io
  get: volumeattachments @ storage.k8s.io
  create: serviceaccounts/token
  get patch update: persistentvolumeclaims/status
  read: csidrivers @ storage.k8s.io
  create delete get patch update: csinodes @ storage.k8s.io
  read: runtimeclasses @ node.k8s.io
  get: resourceclaims @ resource.k8s.io
  deletecollection: resourceslices @ resource.k8s.io
  get: serviceaccounts
system:node-bootstrapper
  create get list watch: certificatesigningrequests @ certificates.k8s.io
system:node-problem-detector
  get: nodes
  patch: nodes/status
  events
system:node-proxier
  list watch: endpoints services
  read: nodes
  events
  list watch: servicecidrs @ networking.k8s.io
  list watch: endpointslices @ discovery.k8s.io
system:persistent-volume-provisioner
  create delete get list watch: persistentvolumes
  get list update watch: persistentvolumeclaims
  read: storageclasses @ storage.k8s.io
  watch: events
  events
system:public-info-viewer
  get path: /healthz /livez /readyz /version /version/
system:service-account-issuer-discovery
  get path: /.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks
      /openid/v1/jwks/
system:volume-scheduler
  get list patch update watch: persistentvolumes
  read: storageclasses @ storage.k8s.io
  get list patch update watch: persistentvolumeclaims
view of=view to=edit
"""
