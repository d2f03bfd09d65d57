"""Desired state of a service."""

from typing import Annotated

from fairlead.api.meta.types import Int32, IntOrString, Record, Strings
from fairlead.machinery.kinds.kind import Atomic, Default, Doc, Format, ListMap, OneOf


class ServicePort(Record):
    """Port of a service, and the port of the pods that its traffic is sent to."""

    name: Annotated[
        str, Doc("Name of the port, a DNS label unique in the service; required if there are several ports.")
    ] = ""
    port: Annotated[Int32, Doc("Port number that clients connect to on the service's address, 1 to 65535.")] = 0
    appProtocol: (
        Annotated[
            str,
            Format("qualified-name"),
            Doc("Application protocol of the port, as a hint for clients, such as kubernetes.io/h2c."),
        ]
        | None
    ) = None
    nodePort: Annotated[
        Int32,
        Doc(
            "Port opened on every node if `type` is NodePort or LoadBalancer; allocated from the node port range if 0."
        ),
    ] = 0
    protocol: Annotated[
        str,
        OneOf("TCP", "UDP", "SCTP"),
        Default("TCP"),
        Doc("Transport protocol of the port: TCP (default), UDP or SCTP."),
    ] = ""
    targetPort: Annotated[
        IntOrString,
        Doc("Port on the pods, as a number or the name of a container port; default: the value of `port`."),
    ] = 0


class ClientIPConfig(Record):
    """Settings for session affinity by the client's IP address."""

    timeoutSeconds: (
        Annotated[
            Int32,
            Doc(
                "Seconds that a client without new connections keeps its pod, 1 to 86400; default 10800 (three hours)."
            ),
        ]
        | None
    ) = None


class SessionAffinityConfig(Record):
    """Settings for keeping the connections of a client on the same pod."""

    clientIP: Annotated[ClientIPConfig, Doc("Settings of session affinity by the client's IP address.")] | None = None


class ServiceSpec(Record):
    """Desired state of a service: the selected pods, the addresses and ports, and the traffic policies."""

    type: Annotated[
        str,
        OneOf("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"),
        Doc(
            "Exposure of the service: ClusterIP (default; inside the cluster), NodePort (also on a port of "
            "every node), LoadBalancer (also on an external address) or ExternalName (alias in DNS)."
        ),
    ] = ""
    allocateLoadBalancerNodePorts: (
        Annotated[bool, Doc("Set to false to create a LoadBalancer service without node ports; default true.")] | None
    ) = None
    clusterIP: Annotated[
        str,
        Doc(
            'Virtual address of the service inside the cluster; allocated if empty, and "None" makes the '
            "service headless."
        ),
    ] = ""
    clusterIPs: Annotated[
        Strings, Doc("Virtual addresses of the service, at most one per IP family; the first equals `clusterIP`.")
    ] = []
    externalIPs: Annotated[
        Strings,
        Doc(
            "Further addresses for which nodes accept the service's traffic; routing them to a node is left "
            "to the administrator."
        ),
    ] = []
    externalName: Annotated[
        str, Doc("DNS name that the service is an alias of; required if `type` is ExternalName.")
    ] = ""
    externalTrafficPolicy: Annotated[
        str,
        Doc(
            "Distribution of traffic from outside: Cluster (default; all endpoints) or Local (endpoints on "
            "the receiving node, with the client's address kept)."
        ),
    ] = ""
    healthCheckNodePort: Annotated[
        Int32,
        Doc(
            "Node port on which load balancers ask if a node has local endpoints; allocated if 0 and "
            "externalTrafficPolicy is Local."
        ),
    ] = 0
    internalTrafficPolicy: (
        Annotated[
            str,
            OneOf("Cluster", "Local"),
            Doc(
                "Distribution of traffic from inside the cluster: Cluster (default; all endpoints) or Local "
                "(endpoints on the client's node)."
            ),
        ]
        | None
    ) = None
    ipFamilies: Annotated[
        Strings, Doc("IP families of the service's addresses: IPv4, IPv6 or both; default: the cluster's first family.")
    ] = []
    ipFamilyPolicy: (
        Annotated[
            str,
            OneOf("SingleStack", "PreferDualStack", "RequireDualStack"),
            Doc(
                "Number of IP families: SingleStack (default), PreferDualStack (two if the cluster has them) or "
                "RequireDualStack."
            ),
        ]
        | None
    ) = None
    loadBalancerClass: (
        Annotated[
            str,
            Doc(
                "Class of the load balancer that serves the service; the default implementation if absent, "
                "immutable once set."
            ),
        ]
        | None
    ) = None
    loadBalancerIP: Annotated[
        str, Doc("Requested address of the load balancer; deprecated, because support depends on the implementation.")
    ] = ""
    loadBalancerSourceRanges: Annotated[
        Strings, Doc("Client address ranges in CIDR form that may use the load balancer; all clients if empty.")
    ] = []
    ports: Annotated[
        list[ServicePort],
        ListMap(keys=("port", "protocol"), patch_key="port"),
        Doc("Ports of the service; required unless the service is headless or an ExternalName."),
    ] = []
    publishNotReadyAddresses: Annotated[
        bool, Doc("Set to true to publish pods as endpoints before they are ready; default false.")
    ] = False
    selector: Annotated[
        dict[str, str],
        Atomic(),
        Doc("Labels that all pods of the service carry; if empty, no endpoints are created for the service."),
    ] = {}
    sessionAffinity: Annotated[
        str,
        OneOf("ClientIP", "None"),
        Doc("ClientIP sends all connections of one client to the same pod; None (default) spreads connections."),
    ] = ""
    sessionAffinityConfig: (
        Annotated[SessionAffinityConfig, Doc("Settings of the session affinity, such as its timeout.")] | None
    ) = None
    trafficDistribution: (
        Annotated[
            str,
            OneOf("PreferClose", "PreferSameNode", "PreferSameZone"),
            Doc(
                "Preferred endpoints: PreferSameZone (alias PreferClose) or PreferSameNode; all endpoints alike "
                "if absent."
            ),
        ]
        | None
    ) = None
