"""The observability of DNS in a real cluster: metrics and probes under CoreDNS's names and ports, a log on request."""

from __future__ import annotations

import json

from tests.cluster.support import until
from tests.dns.live import CONFIG, DNS, DNS_PODS, MARKS, PODS, TAIL, WEB, Names, ips_of, needs_dig, pod

pytestmark = MARKS


def test_metrics_and_probes_are_served_on_corednss_ports(names: Names) -> None:
    ip = names.api.get(DNS_PODS)["items"][0]["status"]["podIP"]
    for url, words in ((f"http://{ip}:8181/ready", "OK"), (f"http://{ip}:8080/health", "OK")):
        done = names.cluster.fairlead("shell", "node1", "--", "curl", "-s", url)
        assert words in done.stdout, url
    for server in names.servers:
        host = f"[{server}]" if ":" in server else server
        assert "coredns_build_info" in names.in_pod("curl", "-s", f"http://{host}:9153/metrics")


PLACE = 'server="dns://:53",zone="cluster.local.",view=""'
CACHE = '{server="dns://:53",zones=".",view=""}'
KEPT = '{server="dns://:53",type="success",zones=".",view=""}'
KEPT_NOT = '{server="dns://:53",type="denial",zones=".",view=""}'
UP = 'proxy_name="forward",to="host"'
RISING = [
    f'coredns_dns_requests_total{{{PLACE},proto="udp",family="1",type="A"}}',
    f'coredns_dns_requests_total{{{PLACE},proto="tcp",family="1",type="A"}}',
    f'coredns_dns_responses_total{{{PLACE},rcode="NOERROR",plugin="kubernetes"}}',
    f'coredns_dns_responses_total{{{PLACE},rcode="NXDOMAIN",plugin="kubernetes"}}',
    f'coredns_dns_responses_total{{{PLACE},rcode="NOERROR",plugin="forward"}}',
    f"coredns_dns_request_duration_seconds_count{{{PLACE}}}",
    f'coredns_dns_request_size_bytes_count{{{PLACE},proto="udp"}}',
    f'coredns_dns_request_size_bytes_count{{{PLACE},proto="tcp"}}',
    f'coredns_dns_response_size_bytes_sum{{{PLACE},proto="udp"}}',
    f'coredns_dns_response_size_bytes_sum{{{PLACE},proto="tcp"}}',
    f"coredns_dns_do_requests_total{{{PLACE}}}",
    f"coredns_cache_hits_total{KEPT}",
    f"coredns_cache_entries{KEPT}",
    f"coredns_cache_misses_total{CACHE}",
    f"coredns_cache_requests_total{CACHE}",
    f'coredns_proxy_request_duration_seconds_count{{{UP},rcode="NOERROR"}}',
    'coredns_forward_responses_total{to="host",rcode="NOERROR"}',
    'coredns_kubernetes_dns_programming_duration_seconds_count{service_kind="headless_with_selector"}',
    "process_cpu_seconds_total",
]
THERE = [
    "coredns_build_info{",
    "coredns_panics_total 0",
    f"coredns_cache_entries{KEPT_NOT} 0",
    f"coredns_cache_evictions_total{KEPT} 0",
    f'coredns_proxy_conn_cache_misses_total{{{UP},proto="udp"}} ',
    "coredns_forward_healthcheck_broken_total ",
    "coredns_forward_max_concurrent_rejects_total 0",
    'coredns_plugin_enabled{server="dns://:53",zone=".",view="",name="kubernetes"} 1',
    "coredns_hosts_entries 1",
    "coredns_reload_failed_total ",
    "process_resident_memory_bytes ",
]


@needs_dig
def test_metrics_rise_with_what_they_count(names: Names) -> None:
    before = names.metrics()
    for words in (
        ("+notcp", WEB), ("+tcp", WEB), (f"nobody.{TAIL}",), ("new.example.net",), ("new.example.net",),
        ("+dnssec", WEB),
    ):  # fmt: skip
        names.in_pod("dig", "+tries=1", "+time=3", f"@{DNS[0]}", *words)
    names.api.call("DELETE", f"{PODS}/db-1")
    until("its name is gone", lambda: names.in_pod("getent", "ahostsv4", f"db-1.db.{TAIL}.") == "")
    after = names.metrics()
    assert [name for name in RISING if not figure(before, name) < figure(after, name)] == []
    assert [line for line in THERE if f"\n{line}" not in f"\n{after}"] == []
    assert names.metrics().count("# TYPE coredns_") == after.count("# HELP coredns_")
    names.api.call("POST", PODS, pod("db-1", app="db", hostname="db-1", subdomain="db"))
    until("its name is back", lambda: names.in_pod("getent", "ahostsv4", f"db-1.db.{TAIL}.") != "")


def figure(text: str, name: str) -> float:
    """Returns the metric's value; 0 if it is missing."""
    return next((float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{name} ")), 0.0)


@needs_dig
def test_queries_are_logged_on_request(names: Names) -> None:
    before = names.api.get(CONFIG)
    changed = json.loads(json.dumps(before))
    changed["metadata"].pop("resourceVersion")
    changed["data"]["log"] = "true"
    names.api.call("PUT", CONFIG, changed)
    asked = ("dig", "+notcp", "+tries=1", f"@{DNS[0]}", f"logged.{TAIL}")
    line = until("the query is logged", lambda: (names.in_pod(*asked), logged(names, "logged"))[1])
    for word in (f"client={ips_of(names.api, 'client')[0]}", f"name=logged.{TAIL}.", "type=A", "proto=udp", "rcode=3"):
        assert word in line
    names.in_pod("dig", "+tcp", "+tries=1", f"@{DNS[0]}", WEB)
    assert "proto=tcp rcode=0" in until("over TCP too", lambda: logged(names, WEB))
    before["metadata"].pop("resourceVersion")
    names.api.call("PUT", CONFIG, before)


def logged(names: Names, word: str) -> str:
    """Returns the last line with the word in the DNS Pod's log."""
    name = names.api.get(DNS_PODS)["items"][0]["metadata"]["name"]
    text = str(names.api.get(f"/api/v1/namespaces/kube-system/pods/{name}/log?tailLines=50"))
    return next((line for line in reversed(text.splitlines()) if word in line and "query" in line), "")
