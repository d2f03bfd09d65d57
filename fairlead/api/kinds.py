"""The list of the built-in kinds: the only place where a new kind is entered.

The storage version of a kind stands before its other versions. Code that needs kinds takes a `Scheme` as a parameter,
because custom kinds come and go while the server runs.
"""

from __future__ import annotations

from typing import Any

from fairlead.api.admissionregistration.mutatingadmissionpolicy import MUTATING_ADMISSION_POLICY
from fairlead.api.admissionregistration.mutatingadmissionpolicybinding import MUTATING_ADMISSION_POLICY_BINDING
from fairlead.api.admissionregistration.mutatingwebhookconfiguration import MUTATING_WEBHOOK_CONFIGURATION
from fairlead.api.admissionregistration.validatingadmissionpolicy import VALIDATING_ADMISSION_POLICY
from fairlead.api.admissionregistration.validatingadmissionpolicybinding import VALIDATING_ADMISSION_POLICY_BINDING
from fairlead.api.admissionregistration.validatingwebhookconfiguration import VALIDATING_WEBHOOK_CONFIGURATION
from fairlead.api.apiextensions.customresourcedefinition import CUSTOM_RESOURCE_DEFINITION
from fairlead.api.apiregistration.apiservice import API_SERVICE
from fairlead.api.apps.controllerrevision import CONTROLLER_REVISION
from fairlead.api.apps.daemonset import DAEMON_SET
from fairlead.api.apps.deployment.kind import DEPLOYMENT
from fairlead.api.apps.replicaset.kind import REPLICA_SET
from fairlead.api.apps.statefulset import STATEFUL_SET
from fairlead.api.authentication import SELF_SUBJECT_REVIEW, TOKEN_REVIEW
from fairlead.api.authorization import (
    LOCAL_SUBJECT_ACCESS_REVIEW,
    SELF_SUBJECT_ACCESS_REVIEW,
    SELF_SUBJECT_RULES_REVIEW,
    SUBJECT_ACCESS_REVIEW,
)
from fairlead.api.autoscaling.horizontalpodautoscaler import HORIZONTAL_POD_AUTOSCALER
from fairlead.api.autoscaling.horizontalpodautoscalerv1 import HORIZONTAL_POD_AUTOSCALER_V1
from fairlead.api.batch.cronjob import CRON_JOB
from fairlead.api.batch.job import JOB
from fairlead.api.certificates.certificatesigningrequest import CERTIFICATE_SIGNING_REQUEST
from fairlead.api.coordination.lease.kind import LEASE
from fairlead.api.core.binding import BINDING
from fairlead.api.core.componentstatus import COMPONENT_STATUS
from fairlead.api.core.configmap.kind import CONFIG_MAP
from fairlead.api.core.endpoints.kind import ENDPOINTS
from fairlead.api.core.event.kind import EVENT
from fairlead.api.core.limitrange import LIMIT_RANGE
from fairlead.api.core.namespace.kind import NAMESPACE
from fairlead.api.core.node.kind import NODE
from fairlead.api.core.persistentvolume import PERSISTENT_VOLUME
from fairlead.api.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from fairlead.api.core.pod.kind import POD
from fairlead.api.core.podtemplate import POD_TEMPLATE
from fairlead.api.core.replicationcontroller.kind import REPLICATION_CONTROLLER
from fairlead.api.core.resourcequota import RESOURCE_QUOTA
from fairlead.api.core.secret.kind import SECRET
from fairlead.api.core.service.kind import SERVICE
from fairlead.api.core.serviceaccount.kind import SERVICE_ACCOUNT
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE
from fairlead.api.events.event.kind import EVENTS_V1_EVENT
from fairlead.api.flowcontrol.flowschema import FLOW_SCHEMA
from fairlead.api.flowcontrol.prioritylevelconfiguration import PRIORITY_LEVEL_CONFIGURATION
from fairlead.api.metrics.nodemetrics import NODE_METRICS
from fairlead.api.metrics.podmetrics import POD_METRICS
from fairlead.api.networking.ingress import INGRESS
from fairlead.api.networking.ingressclass import INGRESS_CLASS
from fairlead.api.networking.ipaddress.kind import IP_ADDRESS
from fairlead.api.networking.networkpolicy import NETWORK_POLICY
from fairlead.api.networking.servicecidr.kind import SERVICE_CIDR
from fairlead.api.node.runtimeclass import RUNTIME_CLASS
from fairlead.api.policy.poddisruptionbudget import POD_DISRUPTION_BUDGET
from fairlead.api.rbac.clusterrole.kind import CLUSTER_ROLE
from fairlead.api.rbac.clusterrolebinding.kind import CLUSTER_ROLE_BINDING
from fairlead.api.rbac.role.kind import ROLE
from fairlead.api.rbac.rolebinding.kind import ROLE_BINDING
from fairlead.api.resource.deviceclass import DEVICE_CLASS
from fairlead.api.resource.resourceclaim import RESOURCE_CLAIM
from fairlead.api.resource.resourceclaimtemplate import RESOURCE_CLAIM_TEMPLATE
from fairlead.api.resource.resourceslice import RESOURCE_SLICE
from fairlead.api.scheduling.priorityclass.kind import PRIORITY_CLASS
from fairlead.api.storage.csidriver import CSI_DRIVER
from fairlead.api.storage.csinode import CSI_NODE
from fairlead.api.storage.csistoragecapacity import CSI_STORAGE_CAPACITY
from fairlead.api.storage.storageclass import STORAGE_CLASS
from fairlead.api.storage.volumeattachment import VOLUME_ATTACHMENT
from fairlead.api.storage.volumeattributesclass import VOLUME_ATTRIBUTES_CLASS
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.kinds.scheme import Scheme

KINDS: tuple[Kind[Any], ...] = (
    BINDING,
    COMPONENT_STATUS,
    CONFIG_MAP,
    ENDPOINTS,
    EVENT,
    LIMIT_RANGE,
    NAMESPACE,
    NODE,
    PERSISTENT_VOLUME,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    POD_TEMPLATE,
    REPLICATION_CONTROLLER,
    RESOURCE_QUOTA,
    SECRET,
    SERVICE_ACCOUNT,
    SERVICE,
    CONTROLLER_REVISION,
    DAEMON_SET,
    DEPLOYMENT,
    REPLICA_SET,
    STATEFUL_SET,
    CERTIFICATE_SIGNING_REQUEST,
    HORIZONTAL_POD_AUTOSCALER,
    HORIZONTAL_POD_AUTOSCALER_V1,
    CRON_JOB,
    JOB,
    CUSTOM_RESOURCE_DEFINITION,
    LEASE,
    ENDPOINT_SLICE,
    EVENTS_V1_EVENT,
    FLOW_SCHEMA,
    PRIORITY_LEVEL_CONFIGURATION,
    INGRESS,
    INGRESS_CLASS,
    IP_ADDRESS,
    NETWORK_POLICY,
    SERVICE_CIDR,
    SELF_SUBJECT_REVIEW,
    TOKEN_REVIEW,
    LOCAL_SUBJECT_ACCESS_REVIEW,
    SELF_SUBJECT_ACCESS_REVIEW,
    SELF_SUBJECT_RULES_REVIEW,
    SUBJECT_ACCESS_REVIEW,
    ROLE,
    ROLE_BINDING,
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    RUNTIME_CLASS,
    DEVICE_CLASS,
    RESOURCE_CLAIM,
    RESOURCE_CLAIM_TEMPLATE,
    RESOURCE_SLICE,
    POD_DISRUPTION_BUDGET,
    PRIORITY_CLASS,
    CSI_DRIVER,
    CSI_NODE,
    CSI_STORAGE_CAPACITY,
    STORAGE_CLASS,
    VOLUME_ATTACHMENT,
    VOLUME_ATTRIBUTES_CLASS,
    NODE_METRICS,
    POD_METRICS,
    MUTATING_WEBHOOK_CONFIGURATION,
    VALIDATING_WEBHOOK_CONFIGURATION,
    VALIDATING_ADMISSION_POLICY,
    VALIDATING_ADMISSION_POLICY_BINDING,
    MUTATING_ADMISSION_POLICY,
    MUTATING_ADMISSION_POLICY_BINDING,
    API_SERVICE,
)


def built_in() -> Scheme:
    """Returns a new Scheme of the built-in kinds."""
    return Scheme(KINDS)
