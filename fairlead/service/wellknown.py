"""Labels, annotations and other names of Services, slices and nodes.

Imports nothing but names that the API's own rules need as well: every process can afford it.
"""

from fairlead.api.core.topology.labels import ZONE_LABEL as ZONE_LABEL

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
"""Label of a slice: its Service, in the slice's namespace."""
HEADLESS_LABEL = "service.kubernetes.io/headless"
PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name"
"""Either label, with any value, on a Service or on a slice: nodes do not carry its traffic."""
MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by"
"""Label of a slice: the controller that writes it."""
TRIGGER_TIME_ANNOTATION = "endpoints.kubernetes.io/last-change-trigger-time"
"""Annotation of a slice or Endpoints object: the time of the change for which it was written."""

NO_LOAD_BALANCERS_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
"""Label of a Node, with any value: load balancers do not use it."""
LEAVING_TAINT = "ToBeDeletedByClusterAutoscaler"
"""Taint of a Node that is about to be removed: load balancers stop using it."""

LOAD_BALANCER_FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
LOAD_BALANCER_CLASS = "fairlead.dev/lb"
"""`spec.loadBalancerClass` of the Services that this cluster's load balancer serves, beside those without a class."""
LOAD_BALANCER_IPS_ANNOTATION = "fairlead.dev/load-balancer-ips"
"""The addresses wanted, one of each family, with commas between."""
SHARED_IP_ANNOTATION = "fairlead.dev/allow-shared-ip"
"""Services with the same value may share an address, on different ports."""
HOST_URLS_ANNOTATION = "fairlead.dev/host-urls"
"""Written by the relay: `80/TCP=http://127.0.0.1:8080`, an entry for each port, with commas between."""
