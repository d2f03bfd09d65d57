"""What a service is to be."""

from __future__ import annotations

from typing import Annotated

from fairlead.api.meta.types import Int32, IntOrString, Record, Strings
from fairlead.machinery.kind import Atomic, Default, Doc, Format, ListMap, OneOf


class ServicePort(Record):
    name: Annotated[str, Doc("Its name; needed where there are several.")] = ""
    port: Annotated[Int32, Doc("Where clients connect to.")] = 0
    appProtocol: (
        Annotated[str, Format("qualified-name"), Doc("What is spoken on it, such as kubernetes.io/h2c.")] | None
    ) = None
    nodePort: Annotated[Int32, Doc("The port on every node, for NodePort and LoadBalancer; chosen unless given.")] = 0
    protocol: Annotated[str, OneOf("TCP", "UDP", "SCTP"), Default("TCP"), Doc("TCP, UDP or SCTP.")] = ""
    targetPort: Annotated[
        IntOrString,
        Doc("The port on the pods, by number or by the name a container gives it; the same as `port` unless given."),
    ] = 0


class ClientIPConfig(Record):
    timeoutSeconds: (
        Annotated[Int32, Doc("How long a client stays with its pod; three hours unless given, a day at most.")] | None
    ) = None


class SessionAffinityConfig(Record):
    clientIP: Annotated[ClientIPConfig, Doc("For affinity by the client's address.")] | None = None


class ServiceSpec(Record):
    type: Annotated[
        str,
        OneOf("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"),
        Doc(
            "How it can be reached: ClusterIP inside the cluster, NodePort on every node too, "
            "LoadBalancer from outside too, ExternalName as an alias in DNS."
        ),
    ] = ""
    allocateLoadBalancerNodePorts: Annotated[bool, Doc("Whether a LoadBalancer gets node ports as well.")] | None = None
    clusterIP: Annotated[str, Doc("Its address inside the cluster: chosen unless given; None makes it headless.")] = ""
    clusterIPs: Annotated[Strings, Doc("The same, one address a family.")] = []
    externalIPs: Annotated[
        Strings, Doc("Further addresses that nodes accept traffic for; nobody routes them here by itself.")
    ] = []
    externalName: Annotated[str, Doc("The name in DNS that an ExternalName stands for.")] = ""
    externalTrafficPolicy: Annotated[
        str,
        Doc(
            "Traffic from outside: Cluster spreads it over all pods, Local keeps it on the node "
            "(and the client's address visible)."
        ),
    ] = ""
    healthCheckNodePort: Annotated[
        Int32, Doc("Where load balancers ask a node if it has pods, with the Local policy.")
    ] = 0
    internalTrafficPolicy: (
        Annotated[
            str,
            OneOf("Cluster", "Local"),
            Doc("Traffic from inside: Cluster spreads it over all pods, Local keeps it on the node."),
        ]
        | None
    ) = None
    ipFamilies: Annotated[Strings, Doc("IPv4, IPv6 or both.")] = []
    ipFamilyPolicy: (
        Annotated[
            str, OneOf("SingleStack", "PreferDualStack", "RequireDualStack"), Doc("Whether both families are wanted.")
        ]
        | None
    ) = None
    loadBalancerClass: Annotated[str, Doc("Which load balancer is to serve it.")] | None = None
    loadBalancerIP: Annotated[str, Doc("The address wanted of the load balancer (deprecated).")] = ""
    loadBalancerSourceRanges: Annotated[Strings, Doc("Who may come in through the load balancer.")] = []
    ports: Annotated[
        list[ServicePort], ListMap(keys=("port", "protocol"), patch_key="port"), Doc("What it listens on.")
    ] = []
    publishNotReadyAddresses: Annotated[bool, Doc("Whether pods count before they are ready.")] = False
    selector: Annotated[
        dict[str, str],
        Atomic(),
        Doc("Its pods are those with all these labels. Without one, nobody but you writes its endpoints."),
    ] = {}
    sessionAffinity: Annotated[
        str, OneOf("ClientIP", "None"), Doc("ClientIP keeps a client with one pod; None spreads its connections.")
    ] = ""
    sessionAffinityConfig: Annotated[SessionAffinityConfig, Doc("For how long.")] | None = None
    trafficDistribution: (
        Annotated[
            str,
            OneOf("PreferClose", "PreferSameNode", "PreferSameZone"),
            Doc("Which endpoints to prefer: those in the same zone or on the same node."),
        ]
        | None
    ) = None
