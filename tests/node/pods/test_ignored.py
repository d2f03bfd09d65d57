"""Every field of a PodSpec is acted on, refused, without a meaning here, or named in an event: none is kept quiet."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.spec import PodSpec
from fairlead.api.core.pod.volumes.volume import Volume
from fairlead.node.pods.deciding.ignored import IGNORED, explained, ignored_fields
from fairlead.node.volumes.contents import VolumeProblem
from fairlead.node.volumes.table import SUPPORTED, plugin_of
from tests.node.makers import pod

TESTS = Path(__file__).parents[2]
AGENT, CHOOSE, ENV, FILES = (
    "node/test_agent.py",
    "scheduler/test_choose.py",
    "node/env/test_env.py",
    "node/volumes/test_podfiles.py",
)
ZYGOTE = "node/runtime/zygote/test_zygote.py"
RIGHTS = (
    "node/runtime/zygote/test_privileges.py::"
    "test_rights_are_bounded_and_new_ones_forbidden_only_if_the_manifest_says_so"
)
PLAN, PROBES, SPEC, ETC = (
    "node/pods/test_plan.py",
    "node/probes/test_probes.py",
    "node/pods/test_containerspec.py",
    "node/pods/test_etcfiles.py",
)
ATTACH, HTTP, GRPC = "node/streaming/test_attach.py", "node/probes/test_httpget.py", "node/probes/test_grpchealth.py"
AGENT_LOGS = "node/test_agent_logs.py"
WORLD, HOSTPORTS = "controllers/test_world.py", "node/pods/test_hostports.py"

VALUES = f"{ENV}::test_values_come_from_fields_resources_maps_and_secrets"
LATER = f"{ENV}::test_later_values_see_earlier_ones_and_win"
COMMAND = f"{ENV}::test_the_manifests_command_and_args_replace_the_images"
PROJECTED = f"{FILES}::test_projected_volumes_bring_token_map_and_fields_together"
MISSING = f"{FILES}::test_missing_keys_and_objects_are_named"
MAPS = f"{AGENT}::test_nginx_serves_pages_and_settings_from_config_maps"
FROM_API = f"{AGENT}::test_environment_and_volumes_come_from_the_api"
MEMORY = f"{AGENT}::test_users_memory_volumes_and_read_only_roots"
SORTS = f"{PROBES}::test_every_sort_of_probe_is_asked_and_the_others_wait_for_the_startup_probe"
TIMES = f"{PROBES}::test_the_times_of_a_probe_are_kept"
GRPC_PROBE = f"{PROBES}::test_grpc_probes_decide_readiness_and_nothing_is_said_to_be_ignored"
AFFINITY = f"{CHOOSE}::test_anti_affinity_keeps_apart_both_ways_and_affinity_brings_together"
TERMS = f"{CHOOSE}::test_which_pods_an_affinity_term_means_follows_its_namespaces_and_keys"
NODE_AFFINITY = f"{CHOOSE}::test_selectors_and_node_affinity_are_kept"
SPREAD = f"{CHOOSE}::test_topology_spread_holds_the_skew"
COUNTS = f"{CHOOSE}::test_what_a_spread_counts_follows_its_policies_and_keys"
USERS = f"{SPEC}::test_the_containers_user_wins_over_the_pods"
NO_ROOT = f"{SPEC}::test_root_is_refused_if_the_manifest_forbids_it"
DNS = f"{SPEC}::test_name_servers_are_the_clusters_and_the_manifests"
HOSTS = f"{ETC}::test_the_hosts_file_has_the_form_that_kubelets_write"
PORTS = f"{HOSTPORTS}::test_a_host_port_without_an_address_is_open_in_every_family"
ACCOUNT = "apiserver/test_write.py::test_a_pod_gets_its_account_and_its_token"
TOLERATION = "controllers/test_nodes.py::test_a_toleration_matches_by_those_of_key_value_and_effect_that_it_has"
HOOK = f"{PROBES}::test_a_hook_is_waited_for_as_long_as_its_container_runs_and_no_longer"
MODES = f"{FILES}::test_modes_audiences_and_optional_keys_of_volumes_are_the_manifests"
LAST_WORDS = f"{AGENT_LOGS}::test_fallback_to_logs_on_error_uses_the_end_of_the_log"
STARTS = f"{SPEC}::test_the_manifest_sets_the_working_directory_and_the_termination_log"
HOST = f"{HTTP}::test_an_ipv6_address_stands_in_brackets_and_the_host_of_the_action_wins"
NAMED_PORT = f"{HTTP}::test_a_port_is_found_by_name_before_it_is_read_as_a_number"
DEBUG = "node/pods/test_ephemeral.py::test_a_debugger_sees_its_targets_processes_and_one_without_a_target_does_not"
TYPED = "node/pods/test_ephemeral.py::test_a_debugger_on_a_terminal_is_attached_to"
CLAIM = "node/volumes/test_claimed.py::test_a_claim_that_is_not_bound_keeps_its_pod_waiting"
NAMESPACES = "cluster/test_namespaces.py"
CHILD_USERS = "node/runtime/child/test_users.py"
HOST_PATH = f"{FILES}::test_each_host_path_type_is_checked"

ACTED_ON: dict[str, str | dict[str, str]] = {
    "PodSpec": {
        "containers": f"{PLAN}::test_all_containers_start_at_once",
        "hostUsers": "node/pods/test_ignored.py::test_a_user_namespace_is_named_only_in_clusters_of_root",
        "hostIPC": f"{NAMESPACES}::test_a_pod_of_root_has_the_nodes_processes_and_objects",
        "hostPID": f"{NAMESPACES}::test_a_pod_of_root_has_the_nodes_processes_and_objects",
        "shareProcessNamespace": f"{NAMESPACES}::test_containers_share_their_processes",
        "activeDeadlineSeconds": f"{PLAN}::test_a_pod_past_its_deadline_fails",
        "affinity": AFFINITY,
        "automountServiceAccountToken": ACCOUNT,
        "dnsConfig": DNS,
        "dnsPolicy": DNS,
        "enableServiceLinks": f"{ENV}::test_events_of_services_have_upstreams_texts",
        "hostAliases": HOSTS,
        "hostNetwork": f"{AGENT}::test_a_pod_on_the_nodes_network_has_the_nodes_address",
        "hostname": HOSTS,
        "hostnameOverride": f"{ETC}::test_a_name_given_over_all_others_stands_alone",
        "ephemeralContainers": DEBUG,
        "initContainers": f"{PLAN}::test_init_containers_run_one_after_the_other",
        "nodeName": f"{AGENT}::test_a_pod_on_the_nodes_network_has_the_nodes_address",
        "nodeSelector": NODE_AFFINITY,
        "overhead": f"{CHOOSE}::test_overhead_and_requests_of_the_whole_pod_are_counted",
        "readinessGates": "node/pods/test_status.py::test_others_conditions_are_kept_and_readiness_gates_count",
        "resources": f"{CHOOSE}::test_overhead_and_requests_of_the_whole_pod_are_counted",
        "restartPolicy": f"{PLAN}::test_the_restart_policy_says_what_runs_again",
        "schedulerName": f"{WORLD}::test_a_pod_waits_for_another_scheduler_or_for_its_gates",
        "schedulingGates": f"{WORLD}::test_a_pod_waits_for_another_scheduler_or_for_its_gates",
        "securityContext": USERS,
        "serviceAccount": ACCOUNT,
        "serviceAccountName": ACCOUNT,
        "setHostnameAsFQDN": f"{ETC}::test_the_full_name_is_the_host_name_if_the_pod_asks_for_that_and_has_one",
        "subdomain": HOSTS,
        "terminationGracePeriodSeconds": f"{PLAN}::test_the_grace_is_what_the_deletion_leaves_of_it",
        "tolerations": f"{CHOOSE}::test_nodes_that_are_not_ready_or_tainted_take_only_what_tolerates",
        "topologySpreadConstraints": SPREAD,
        "volumes": FROM_API,
    },
    "Container": {
        "restartPolicy": f"{PLAN}::test_a_containers_policy_and_rules_go_before_the_pods",
        "restartPolicyRules": f"{PLAN}::test_a_containers_policy_and_rules_go_before_the_pods",
        "resizePolicy": "cluster/test_limits.py::test_a_policy_says_that_a_resize_restarts_the_container",
        "name": COMMAND,
        "args": COMMAND,
        "command": COMMAND,
        "env": LATER,
        "envFrom": LATER,
        "image": "node/images/test_catalogue.py::test_a_users_catalogue_comes_first",
        "lifecycle": HOOK,
        "livenessProbe": SORTS,
        "ports": PORTS,
        "readinessProbe": SORTS,
        "resources": VALUES,
        "securityContext": USERS,
        "startupProbe": SORTS,
        "stdin": f"{ATTACH}::test_a_piped_input_reaches_the_container_and_its_end_is_the_sessions_success",
        "stdinOnce": f"{ATTACH}::test_stdin_ends_with_its_first_client_only_if_stdin_once",
        "terminationMessagePath": STARTS,
        "terminationMessagePolicy": LAST_WORDS,
        "tty": f"{ATTACH}::test_a_containers_terminal_is_shared_and_has_a_size",
        "volumeMounts": MAPS,
        "workingDir": STARTS,
    },
    "EphemeralContainer": {
        **dict.fromkeys(("name", "image", "targetContainerName", "command", "args"), DEBUG),
        **dict.fromkeys(("env", "envFrom"), LATER),
        "securityContext": USERS,
        "stdin": TYPED,
        "stdinOnce": TYPED,
        "terminationMessagePath": STARTS,
        "terminationMessagePolicy": LAST_WORDS,
        "tty": TYPED,
        "volumeMounts": MAPS,
        "workingDir": STARTS,
    },
    "EnvVar": LATER,
    "EnvVarSource": {"configMapKeyRef": VALUES, "fieldRef": VALUES, "resourceFieldRef": VALUES, "secretKeyRef": VALUES},
    "ConfigMapKeySelector": VALUES,
    "SecretKeySelector": VALUES,
    "ObjectFieldSelector": {"fieldPath": VALUES},
    "ResourceFieldSelector": VALUES,
    "EnvFromSource": LATER,
    "ConfigMapEnvSource": LATER,
    "SecretEnvSource": LATER,
    "Lifecycle": {
        "postStart": HOOK,
        "preStop": f"{AGENT}::test_a_deleted_pod_has_its_grace_and_not_more",
        "stopSignal": f"{SPEC}::test_the_manifests_stop_signal_wins_over_the_images",
    },
    "LifecycleHandler": {
        "exec": f"{AGENT}::test_a_deleted_pod_has_its_grace_and_not_more",
        "httpGet": f"{HTTP}::test_every_answer_to_a_hook_is_a_success_and_no_answer_is_none",
        "sleep": HOOK,
    },
    "ExecAction": SORTS,
    "HTTPGetAction": {
        "port": NAMED_PORT,
        "host": HOST,
        "httpHeaders": f"{HTTP}::test_a_header_replaces_its_default_however_it_is_written",
        "path": f"{HTTP}::test_a_path_is_asked_for_as_the_kubelet_asks_for_it",
        "scheme": f"{HTTP}::test_https_is_asked_without_a_check_of_the_certificate",
    },
    "HTTPHeader": f"{HTTP}::test_a_header_replaces_its_default_however_it_is_written",
    "SleepAction": HOOK,
    "TCPSocketAction": SORTS,
    "Probe": {
        "exec": SORTS,
        "failureThreshold": f"{SPEC}::test_probe_results_count_in_a_row",
        "grpc": GRPC_PROBE,
        "httpGet": SORTS,
        "initialDelaySeconds": TIMES,
        "periodSeconds": TIMES,
        "successThreshold": f"{SPEC}::test_probe_results_count_in_a_row",
        "tcpSocket": SORTS,
        "terminationGracePeriodSeconds": TIMES,
        "timeoutSeconds": TIMES,
    },
    "GRPCAction": {
        "port": GRPC_PROBE,
        "mode": f"{GRPC}::test_tls_is_spoken_without_a_check_of_the_certificate",
        "service": f"{GRPC}::test_a_service_that_serves_is_healthy",
    },
    "ContainerPort": PORTS,
    "PersistentVolumeClaimVolumeSource": CLAIM,
    "ContainerRestartRule": f"{PLAN}::test_a_containers_policy_and_rules_go_before_the_pods",
    "ContainerRestartRuleOnExitCodes": f"{PLAN}::test_a_containers_policy_and_rules_go_before_the_pods",
    "ContainerResizePolicy": "cluster/test_limits.py::test_a_policy_says_that_a_resize_restarts_the_container",
    "ResourceRequirements": {
        "limits": "cluster/test_limits.py::test_a_container_that_takes_more_than_its_limit_is_killed_for_it",
        "requests": f"{CHOOSE}::test_pods_that_ask_for_more_than_is_left_fit_nowhere",
    },
    "SecurityContext": {
        "allowPrivilegeEscalation": RIGHTS,
        "procMount": f"{NAMESPACES}::test_proc_is_open_if_the_manifest_says_so_but_not_in_roots_cluster",
        "seccompProfile": f"{NAMESPACES}::test_the_default_profile_refuses_namespaces_and_mounts",
        "capabilities": f"{SPEC}::test_capabilities_are_added_and_dropped",
        "privileged": "node/runtime/files/test_hostview.py::test_a_privileged_container_opens_the_hosts_devices",
        "readOnlyRootFilesystem": MEMORY,
        "runAsGroup": USERS,
        "runAsNonRoot": NO_ROOT,
        "runAsUser": USERS,
    },
    "Capabilities": f"{SPEC}::test_capabilities_are_added_and_dropped",
    "SeccompProfile": f"{NAMESPACES}::test_the_default_profile_refuses_namespaces_and_mounts",
    "Sysctl": f"{NAMESPACES}::test_safe_parameters_are_set_and_others_are_refused",
    "ImageVolumeSource": f"{NAMESPACES}::test_an_image_is_a_volume_that_cannot_be_written",
    "PodSecurityContext": {
        "seccompProfile": f"{NAMESPACES}::test_the_default_profile_refuses_namespaces_and_mounts",
        "supplementalGroupsPolicy": f"{CHILD_USERS}::test_a_strict_policy_leaves_out_the_images_members",
        "sysctls": f"{NAMESPACES}::test_safe_parameters_are_set_and_others_are_refused",
        "fsGroup": USERS,
        "runAsGroup": USERS,
        "runAsNonRoot": NO_ROOT,
        "runAsUser": USERS,
        "supplementalGroups": USERS,
    },
    "VolumeMount": {
        "name": MAPS,
        "mountPath": MAPS,
        "readOnly": f"{SPEC}::test_a_container_has_the_images_files_below_the_pods",
        "recursiveReadOnly": f"{ZYGOTE}::test_a_missing_mount_point_inside_a_read_only_directory_is_made",
        "subPath": "node/runtime/files/test_safepath.py::test_links_that_stay_inside_are_followed",
        "subPathExpr": f"{SPEC}::test_a_sub_path_is_made_of_the_containers_environment",
    },
    "Affinity": AFFINITY,
    "NodeAffinity": NODE_AFFINITY,
    "PreferredSchedulingTerm": NODE_AFFINITY,
    "NodeSelector": NODE_AFFINITY,
    "NodeSelectorTerm": {
        "matchExpressions": NODE_AFFINITY,
        "matchFields": f"{CHOOSE}::test_a_node_is_also_selected_by_its_name_as_a_field",
    },
    "NodeSelectorRequirement": NODE_AFFINITY,
    "PodAffinity": TERMS,
    "PodAntiAffinity": AFFINITY,
    "WeightedPodAffinityTerm": f"{CHOOSE}::test_a_preferred_neighbour_weighs_as_much_as_it_says",
    "PodAffinityTerm": TERMS,
    "LabelSelector": "machinery/test_selectors.py::test_labels_and_expressions_of_a_selector_must_all_hold",
    "LabelSelectorRequirement": "machinery/test_selectors.py::test_labels_and_expressions_of_a_selector_must_all_hold",
    "TopologySpreadConstraint": {
        "maxSkew": SPREAD,
        "topologyKey": SPREAD,
        "whenUnsatisfiable": SPREAD,
        "labelSelector": SPREAD,
        "matchLabelKeys": COUNTS,
        "minDomains": COUNTS,
        "nodeAffinityPolicy": COUNTS,
        "nodeTaintsPolicy": COUNTS,
    },
    "Toleration": TOLERATION,
    "PodDNSConfig": DNS,
    "PodDNSConfigOption": DNS,
    "HostAlias": HOSTS,
    "PodReadinessGate": "node/pods/test_status.py::test_others_conditions_are_kept_and_readiness_gates_count",
    "PodSchedulingGate": f"{WORLD}::test_a_pod_waits_for_another_scheduler_or_for_its_gates",
    "Volume": {
        "name": MAPS,
        "configMap": MAPS,
        "downwardAPI": FROM_API,
        "emptyDir": MEMORY,
        "ephemeral": CLAIM,
        "hostPath": HOST_PATH,
        "image": f"{NAMESPACES}::test_an_image_is_a_volume_that_cannot_be_written",
        "persistentVolumeClaim": CLAIM,
        "projected": PROJECTED,
        "secret": MODES,
    },
    "ConfigMapVolumeSource": {"name": MAPS, "defaultMode": MODES, "items": MAPS, "optional": MODES},
    "SecretVolumeSource": {"secretName": MODES, "defaultMode": MODES, "items": MODES, "optional": MODES},
    "KeyToPath": {"key": MAPS, "path": MAPS, "mode": MODES},
    "DownwardAPIVolumeSource": {"defaultMode": MODES, "items": FROM_API},
    "DownwardAPIVolumeFile": {"path": FROM_API, "fieldRef": FROM_API, "mode": MODES, "resourceFieldRef": VALUES},
    "EmptyDirVolumeSource": {"medium": MEMORY, "sizeLimit": MEMORY},
    "HostPathVolumeSource": HOST_PATH,
    "ProjectedVolumeSource": {"defaultMode": PROJECTED, "sources": PROJECTED},
    "VolumeProjection": {
        "configMap": PROJECTED,
        "downwardAPI": PROJECTED,
        "secret": MODES,
        "serviceAccountToken": PROJECTED,
    },
    "ConfigMapProjection": MODES,
    "SecretProjection": MODES,
    "DownwardAPIProjection": PROJECTED,
    "ServiceAccountTokenProjection": {"path": MODES, "audience": MODES, "expirationSeconds": MODES},
}
"""The fields of each type: the test that shows a field's effect, or one test for all fields."""

REFUSED: dict[str, set[str]] = {
    "EnvVarSource": {"fileKeyRef"},
    # By the API server.
    "EphemeralContainer": {
        *("ports", "resources", "resizePolicy", "restartPolicy", "restartPolicyRules"),
        *("livenessProbe", "readinessProbe", "startupProbe", "lifecycle"),
    },
    "Volume": {name for name in Volume.__struct_fields__ if name not in ("name", *SUPPORTED)},
    "VolumeProjection": {"clusterTrustBundle", "podCertificate"},
}
"""The pod does not start, and an event says why: nothing below these is looked at."""

MEANINGLESS: dict[str, dict[str, str]] = {
    "PodSpec": {
        "imagePullSecrets": "images are programs of the machine: nothing is pulled",
        "preemptionPolicy": "the scheduler follows it",
        "priority": "the scheduler follows it",
        "priorityClassName": "the API server turns it into the priority, which is named",
    },
    "Container": {
        "imagePullPolicy": "images are programs of the machine: nothing is pulled",
    },
    "EphemeralContainer": {"imagePullPolicy": "images are programs of the machine: nothing is pulled"},
    "PodSecurityContext": {
        "fsGroupChangePolicy": "volumes are made for the pod, with the group that they have",
    },
    "ObjectFieldSelector": {"apiVersion": "v1 is the only one"},
    "EphemeralVolumeSource": {"volumeClaimTemplate": "a controller makes the claim"},
}
"""There is nothing to do for these, and why."""


def structs_of(hint: Any) -> Iterator[type[msgspec.Struct]]:
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        yield from structs_of(typing.get_args(hint)[0])
    elif origin in (typing.Union, types.UnionType, list, dict):
        for part in typing.get_args(hint):
            yield from structs_of(part)
    elif isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint


def fields_of(kind: type[msgspec.Struct], done: set[type]) -> Iterator[tuple[type, str]]:
    """All fields below a type; those below one that is not acted on go with that."""
    if kind in done:
        return
    done.add(kind)
    hints = typing.get_type_hints(kind, include_extras=True)
    for name in kind.__struct_fields__:
        yield kind, name
        if where(kind, name) == "acted on":
            for below in structs_of(hints[name]):
                yield from fields_of(below, done)


def where(kind: type, name: str) -> str:
    acted = ACTED_ON.get(kind.__name__, {})
    if isinstance(acted, str) or name in acted:
        return "acted on"
    if name in REFUSED.get(kind.__name__, ()):
        return "refused"
    if name in MEANINGLESS.get(kind.__name__, {}):
        return "without a meaning"
    return "named" if name in IGNORED.get(kind, {}) else "kept quiet"


def test_no_field_of_a_pod_is_kept_quiet() -> None:
    found = list(fields_of(PodSpec, set()))
    assert len(found) > 200
    assert [f"{kind.__name__}.{name}" for kind, name in found if where(kind, name) == "kept quiet"] == []


def test_no_list_names_a_field_that_is_not_there() -> None:
    found = {(kind.__name__, name) for kind, name in fields_of(PodSpec, set())}
    lists: list[dict[str, Any]] = [ACTED_ON, REFUSED, MEANINGLESS, {t.__name__: names for t, names in IGNORED.items()}]
    for names in lists:
        for kind, fields in names.items():
            assert {name for name in fields if (kind, name) not in found} == set() or isinstance(fields, str), kind


def test_each_test_that_shows_a_field_is_there() -> None:
    named: set[str] = set()
    for fields in ACTED_ON.values():
        named |= {fields} if isinstance(fields, str) else set(fields.values())
    for at in sorted(named):
        file, _, test = at.partition("::")
        assert re.search(rf"^(async )?def {test}\(", (TESTS / file).read_text(), re.MULTILINE), at


@pytest.mark.parametrize("name", sorted(REFUSED["Volume"]))
def test_a_volume_that_cannot_be_mounted_is_refused(name: str) -> None:
    volume = Volume(name="v")
    setattr(volume, name, {})  # any value: it is not looked at
    with pytest.raises(VolumeProblem, match=f"{name} volumes are not supported by fairlead's nodes: use emptyDir"):
        plugin_of(volume)


def test_what_is_ignored_is_named_by_its_path() -> None:
    container = {
        "name": "c",
        "image": "x",
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1"}},
        "securityContext": {"seLinuxOptions": {"level": "s0"}, "allowPrivilegeEscalation": True},
        "volumeMounts": [
            {"name": "v", "mountPath": "/a", "mountPropagation": "None"},
            {"name": "v", "mountPath": "/b", "mountPropagation": "Bidirectional"},
        ],
    }
    volumes = [
        {"name": "v", "emptyDir": {"sizeLimit": "1Gi"}},
        {"name": "m", "emptyDir": {"sizeLimit": "1Gi", "medium": "Memory"}},
    ]
    init = {"name": "i", "image": "x", "restartPolicy": "Always"}
    found = ignored_fields(
        pod(
            containers=[container],
            initContainers=[init, init | {"name": "j", "restartPolicy": "OnFailure"}],
            volumes=volumes,
            hostPID=True,
        ),
        kernel_limits=False,
        host_namespaces=False,
    )
    assert found == [
        "spec.containers[0].resources.limits[cpu]",
        "spec.containers[0].securityContext.seLinuxOptions",
        "spec.containers[0].volumeMounts[1].mountPropagation",
        "spec.hostPID",
    ]


def test_the_event_says_why_a_field_has_no_effect_if_kernel_or_cluster_forbid_it() -> None:
    assert explained("spec.hostUsers").endswith(" are those of the machine in a cluster of root)")
    assert explained("spec.containers[0].volumeMounts[1].mountPropagation").endswith(" past the node's guards)")
    assert explained("spec.containers[0].resources.limits[cpu]") == "spec.containers[0].resources.limits[cpu]"


@pytest.mark.parametrize("root", [False, True])
def test_a_user_namespace_is_named_only_in_clusters_of_root(root: bool) -> None:
    asked = pod(hostUsers=False)
    assert ignored_fields(asked, kernel_limits=True, host_namespaces=root) == (["spec.hostUsers"] if root else [])


def named(pod: Pod) -> list[str]:
    return ignored_fields(pod, kernel_limits=True, host_namespaces=True)


def test_nothing_is_named_of_a_plain_pod_or_of_what_is_so_anyway() -> None:
    quiet: dict[str, Any] = {
        "hostUsers": True,
        "os": {"name": "linux"},
        "priority": 0,
        "preemptionPolicy": "PreemptLowerPriority",
        "securityContext": {"seccompProfile": {"type": "Unconfined"}},
    }
    assert named(pod()) == named(pod(**quiet)) == []
