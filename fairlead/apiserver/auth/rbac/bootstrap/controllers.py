"""Cluster roles of upstream's controllers. Each is bound to the service account of its name in kube-system.

See `policy` for the notation. Source: upstream's bootstrap policy of Kubernetes 1.36 with its default features.
"""

CONTROLLER_ROLES = """\
attachdetach-controller
  list watch: persistentvolumeclaims persistentvolumes
  read: nodes
  patch update: nodes/status
  list watch: pods
  events
  create delete get list watch: volumeattachments @ storage.k8s.io
  read: csidrivers @ storage.k8s.io
  read: csinodes @ storage.k8s.io
certificate-controller
  delete get list watch: certificatesigningrequests @ certificates.k8s.io
  update: certificatesigningrequests/approval certificatesigningrequests/status @ certificates.k8s.io
  approve: signers @ certificates.k8s.io = kubernetes.io/kube-apiserver-client-kubelet
  sign: signers @ certificates.k8s.io = kubernetes.io/kube-apiserver-client
      kubernetes.io/kube-apiserver-client-kubelet kubernetes.io/kubelet-serving kubernetes.io/legacy-unknown
  create: subjectaccessreviews @ authorization.k8s.io
  events
clusterrole-aggregation-controller
  escalate get list patch update watch: clusterroles @ rbac.authorization.k8s.io
cronjob-controller
  get list update watch: cronjobs @ batch
  create delete get list patch update watch: jobs @ batch
  update: cronjobs/status @ batch
  update: cronjobs/finalizers @ batch
  delete list watch: pods
  events
daemon-set-controller
  read: daemonsets @ apps extensions
  update: daemonsets/status @ apps extensions
  update: daemonsets/finalizers @ apps extensions
  list watch: nodes
  create delete list patch watch: pods
  create: pods/binding
  create delete get list patch update watch: controllerrevisions @ apps
  events
deployment-controller
  get list update watch: deployments @ apps extensions
  update: deployments/status @ apps extensions
  update: deployments/finalizers @ apps extensions
  create delete get list patch update watch: replicasets @ apps extensions
  get list update watch: pods
  events
device-taint-eviction-controller
  delete get list watch: pods
  patch update: pods/status
  read: resourceclaims @ resource.k8s.io
  read: resourceslices @ resource.k8s.io
  read: deviceclasses @ resource.k8s.io
  events
disruption-controller
  read: deployments @ apps extensions
  read: replicasets @ apps extensions
  read: replicationcontrollers
  read: poddisruptionbudgets @ policy
  read: statefulsets @ apps
  update: poddisruptionbudgets/status @ policy
  patch update: pods/status
  get: */scale @ *
  events
endpoint-controller
  read: pods services
  create delete get list update watch: endpoints
  create: endpoints/restricted
  events
endpointslice-controller
  read: nodes pods services
  update: services/finalizers
  create delete get list update watch: endpointslices @ discovery.k8s.io
  events
endpointslicemirroring-controller
  read: endpoints services
  update: services/finalizers
  update: endpoints/finalizers
  create delete get list update watch: endpointslices @ discovery.k8s.io
  events
ephemeral-volume-controller
  read: pods
  update: pods/finalizers
  create get list watch: persistentvolumeclaims
  events
expand-controller
  get list patch update watch: persistentvolumes
  patch update: persistentvolumeclaims/status
  read: persistentvolumeclaims
  events
generic-garbage-collector
  delete get list patch update watch: * @ *
  events
horizontal-pod-autoscaler
  read: horizontalpodautoscalers @ autoscaling
  update: horizontalpodautoscalers/status @ autoscaling
  get update: */scale @ *
  list watch: pods
  list watch: pods @ metrics.k8s.io
  read: * @ custom.metrics.k8s.io
  read: * @ external.metrics.k8s.io
  events
job-controller
  get list patch update watch: jobs @ batch
  update: jobs/status @ batch
  update: jobs/finalizers @ batch
  create delete list patch watch: pods
  events
legacy-service-account-token-cleaner
  get: configmaps = kube-apiserver-legacy-service-account-token-tracking
  delete patch: secrets
namespace-controller
  delete get list watch: namespaces
  update: namespaces/finalize namespaces/status
  delete deletecollection get list watch: * @ *
node-controller
  delete get list patch update watch: nodes
  patch update: nodes/status
  patch update: pods/status
  delete get list watch: pods
  events
persistent-volume-binder
  create delete get list update watch: persistentvolumes
  update: persistentvolumes/status
  get list update watch: persistentvolumeclaims
  update: persistentvolumeclaims/status
  create delete get list watch: pods
  read: storageclasses @ storage.k8s.io
  list watch: nodes
  events
  watch: events
pod-garbage-collector
  delete list watch: pods
  read: nodes
  patch: pods/status
pv-protection-controller
  get list update watch: persistentvolumes
  events
pvc-protection-controller
  get list update watch: persistentvolumeclaims
  update: persistentvolumeclaims/status
  read: pods
  events
replicaset-controller
  get list update watch: replicasets @ apps extensions
  update: replicasets/status @ apps extensions
  update: replicasets/finalizers @ apps extensions
  create delete list patch watch: pods
  events
replication-controller
  get list update watch: replicationcontrollers
  update: replicationcontrollers/status
  update: replicationcontrollers/finalizers
  create delete list patch watch: pods
  events
resource-claim-controller
  read: pods
  update: pods/finalizers
  create delete get list watch: resourceclaims @ resource.k8s.io
  patch update: resourceclaims resourceclaims/status @ resource.k8s.io
  patch update: pods/status
  events
  patch update: resourceclaims/binding @ resource.k8s.io
resourcequota-controller
  list watch: * @ *
  update: resourcequotas/status
  events
root-ca-cert-publisher
  create update: configmaps
  events
route-controller
  list watch: nodes
  patch: nodes/status
  events
selinux-warning-controller
  events
  read: persistentvolumes
  read: persistentvolumeclaims
  read: pods
  read: csidrivers @ storage.k8s.io
service-account-controller
  create: serviceaccounts
  events
service-cidrs-controller
  get list patch update watch: servicecidrs @ networking.k8s.io
  patch update: servicecidrs/finalizers @ networking.k8s.io
  patch update: servicecidrs/status @ networking.k8s.io
  read: ipaddresses @ networking.k8s.io
  events
service-controller
  read: services
  patch update: services/status
  list watch: nodes
  events
statefulset-controller
  list watch: pods
  read: statefulsets @ apps
  update: statefulsets/status @ apps
  update: statefulsets/finalizers @ apps
  create delete get patch update: pods
  create delete get list patch update watch: controllerrevisions @ apps
  create get list watch: persistentvolumeclaims
  delete update: persistentvolumeclaims
  update: pods/finalizers
  events
ttl-after-finished-controller
  delete get list watch: jobs @ batch
  events
ttl-controller
  list patch update watch: nodes
  events
validatingadmissionpolicy-status-controller
  read: validatingadmissionpolicies @ admissionregistration.k8s.io
  get patch update: validatingadmissionpolicies/status @ admissionregistration.k8s.io
  events
volumeattributesclass-protection-controller
  read: persistentvolumeclaims
  read: persistentvolumes
  get list update watch: volumeattributesclasses @ storage.k8s.io
  events
"""
