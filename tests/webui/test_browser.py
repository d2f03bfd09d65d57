"""The page in a real browser, on a running cluster."""

from __future__ import annotations

import json
import os
import re
import signal
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.cluster import Access
from tests.cluster.support import Cluster, free_port, new_cluster, until
from tests.webui.browser import Tab, chromium, ui, violations

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]
VIEWS = (
    "topology",
    "services",
    "service/default/web",
    "workloads",
    "pods",
    "nodes",
    "events",
    "dns",
    "latency",
    "yaml",
)
DEPLOYMENTS, SERVICES = "/apis/apps/v1/namespaces/default/deployments", "/api/v1/namespaces/default/services"
PODS, RBAC = "/api/v1/namespaces/default/pods", "/apis/rbac.authorization.k8s.io/v1/namespaces/default"


def deployment(name: str, replicas: int) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "nginx"}]}}
    return {
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": [{"port": 80}]} | spec}


@dataclass
class Stage:
    cluster: Cluster
    api: Access
    browser: Any
    tab: Tab

    def pod(self) -> str:
        items = self.api.call("GET", f"{PODS}?labelSelector=app%3Dweb")["items"]
        return str(items[0]["metadata"]["name"])

    def url(self) -> str:
        annotations = self.api.call("GET", f"{SERVICES}/web")["metadata"].get("annotations", {})
        return str(annotations.get("fairlead.dev/host-urls", "")).rpartition("=")[2]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with chromium() as browser, new_cluster() as cluster:
        cluster.up("--nodes", "2", "--api-port", str(free_port()))
        api = cluster.access()
        api.call("POST", DEPLOYMENTS, deployment("web", 2))
        api.call("POST", SERVICES, service("web", type="NodePort"))
        api.call("POST", SERVICES, service("empty"))
        found = f"{DEPLOYMENTS}/web"
        until("the Pods are ready", lambda: api.call("GET", found)["status"].get("readyReplicas") == 2)
        with ui(cluster) as url:
            tab = Tab(browser, url)
            try:
                stage = Stage(cluster, api, browser, tab)
                until("the URL of the Service", stage.url)
                yield stage
            finally:
                tab.close()


@pytest.fixture(autouse=True)
def no_errors(stage: Stage) -> Iterator[None]:
    """Fails a test in which the browser reports an error, also one of the content security policy."""
    stage.tab.errors.clear()
    yield
    assert stage.tab.errors == []


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_view_is_accessible(stage: Stage, view: str, scheme: str) -> None:
    page = stage.tab.page
    page.emulate_media(color_scheme=scheme)
    stage.tab.show(view)
    stage.tab.shot(f"{view.replace('/', '-')}-{scheme}")
    assert violations(page) == []


def test_a_pods_view_is_accessible(stage: Stage) -> None:
    page = stage.tab.show(f"pod/default/{stage.pod()}")
    page.get_by_text("following").wait_for()
    assert violations(page) == []
    stage.tab.shot("pod")


def test_the_login_page_is_accessible(stage: Stage) -> None:
    context = stage.browser.new_context()
    try:
        page = context.new_page()
        page.goto(f"{stage.tab.origin}/ui/login")
        page.get_by_text("You are not logged in.").wait_for()
        assert violations(page) == []
    finally:
        context.close()


@pytest.mark.parametrize("view", ["topology", "services", "service/default/web", "yaml"])
def test_a_narrow_screen_needs_no_scrolling_to_the_side(stage: Stage, view: str) -> None:
    page = stage.tab.show(view)
    page.set_viewport_size({"width": 390, "height": 844})
    try:
        stage.tab.shot(f"{view.replace('/', '-')}-narrow")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    finally:
        page.set_viewport_size({"width": 1280, "height": 900})


def test_a_token_opens_one_browser_only(stage: Stage) -> None:
    with ui(stage.cluster) as url:
        first = Tab(stage.browser, url)
        context = stage.browser.new_context()
        try:
            page = context.new_page()
            page.goto(url)
            page.get_by_text("the token is unknown, was used or is older than a minute").wait_for()
            assert "#" not in page.url
        finally:
            context.close()
            first.close()


def test_the_lists_follow_the_cluster(stage: Stage) -> None:
    page = stage.tab.show("services")
    page.get_by_role("link", name="web", exact=True).wait_for()
    stage.api.call("POST", SERVICES, service("late"))
    page.get_by_role("link", name="late", exact=True).wait_for()
    stage.api.call("DELETE", f"{SERVICES}/late")
    page.get_by_role("link", name="late", exact=True).wait_for(state="detached")


def test_the_rows_of_a_list_are_reached_by_keys(stage: Stage) -> None:
    page = stage.tab.show("services")
    page.get_by_role("searchbox").focus()
    page.keyboard.press("Tab")  # to the list
    page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.textContent") == "kube-dns"
    page.keyboard.press("Home")
    assert page.evaluate("document.activeElement.textContent") == "empty"
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Service default/empty").wait_for()
    assert page.evaluate("document.activeElement.id") == "view"


def test_the_topology_shows_the_way_from_the_host_to_the_nodes(stage: Stage) -> None:
    page = stage.tab.show("topology")
    for label in (r"^service web,", r"^slice web-", r"^pod web-.*, Running", r"^node node"):
        page.get_by_role("link", name=re.compile(label)).first.wait_for()
    page.locator(f'a[href="{stage.url()}"]').wait_for()


def test_the_topology_moves_with_the_kernels_counters(stage: Stage) -> None:
    page = stage.tab.show("topology")
    page.get_by_role("searchbox").fill("default/web")
    url = stage.url()

    def moving() -> bool:
        with urllib.request.urlopen(url) as answer:
            answer.read()
        texts = page.eval_on_selector_all("svg a[href*='/pod/'] text", "all => all.map((one) => one.textContent)")
        rates = [re.search(r"([\d.]+) k?B/s · ([\d.]+) conn/s", text) for text in texts]
        shown = page.locator("path.flow[visibility=visible]").count() > 0
        return shown and any(float(rate[2]) >= 1 for rate in rates if rate)

    until("the traffic of the Pods", moving)
    stage.tab.shot("topology-traffic")
    page.get_by_role("searchbox").fill("")


def test_a_services_page_says_why_it_does_not_work(stage: Stage) -> None:
    page = stage.tab.show("service/default/empty")
    page.get_by_text("svc/empty in namespace default does not work:").wait_for()
    stage.tab.shot("service-broken")
    stage.tab.show("service/default/web")
    page.get_by_text("svc/web in namespace default works").wait_for()
    assert page.get_by_role("link", name=stage.url()).count() == 1


def test_connections_are_tried_from_a_pod_that_the_user_chooses(stage: Stage) -> None:
    page = stage.tab.show("service/default/web")
    why = page.get_by_role("region", name="Why")
    chosen = f"pod/{stage.pod()}"
    why.get_by_role("combobox").select_option(chosen)
    why.get_by_role("button", name="Check again").click()
    why.get_by_text(f"a connection from {chosen} to").wait_for()
    assert violations(page) == []


def test_pods_and_workloads_say_why_they_do_not_work(stage: Stage) -> None:
    page = stage.tab.show(f"pod/default/{stage.pod()}")
    page.get_by_text(f"pod/{stage.pod()} in namespace default works").wait_for()
    page = stage.tab.show("workloads")
    page.get_by_role("link", name="web", exact=True).click()
    page.get_by_text("deploy/web in namespace default works").wait_for()
    assert violations(page) == []


def test_a_packets_way_is_drawn_over_the_kernels_rules(stage: Stage) -> None:
    page = stage.tab.show("service/default/web")
    trace = page.get_by_role("region", name="Trace")
    trace.get_by_role("button", name="Trace").click()
    trace.get_by_text("Plan and kernel agree.").wait_for()
    label = trace.get_by_role("img").get_attribute("aria-label") or ""
    assert re.fullmatch(r"host to web: web-\S+ 50 %, web-\S+ 50 %", label)
    trace.get_by_text(re.compile("goes to one of 2 endpoints")).first.wait_for()
    assert violations(page) == []
    trace.scroll_into_view_if_needed()
    stage.tab.shot("service-trace")
    trace.get_by_label("send a real packet").check()
    trace.get_by_role("button", name="Trace").click()
    trace.get_by_text(re.compile("A real packet from port .* was answered.*: as predicted")).wait_for()
    assert violations(page) == []
    trace.get_by_label("Sender").fill("pod/ghost")
    trace.get_by_role("button", name="Trace").click()
    trace.get_by_text(re.compile("ghost")).last.wait_for()
    stage.tab.errors.clear()  # the answer 400


def test_the_rules_of_a_service_are_shown_in_words_and_as_the_kernel_lists_them(stage: Stage) -> None:
    page = stage.tab.show("service/default/web")
    rules = page.get_by_role("region", name="Rules")
    rules.get_by_role("button", name="Show the rules").click()
    rules.get_by_text(re.compile("goes to one of 2 endpoints, drawn at random")).first.wait_for()
    assert {text.partition(":")[0] for text in rules.locator("summary").all_inner_texts()} == {"node1", "node2"}
    rules.get_by_label("as the kernel lists them").check()
    rules.locator("code").first.wait_for()
    assert violations(page) == []


def test_a_log_is_followed(stage: Stage) -> None:
    page = stage.tab.show(f"pod/default/{stage.pod()}")
    log = page.get_by_label("Log", exact=True).last
    log.get_by_text("start worker process").first.wait_for()


def test_a_terminal_runs_a_shell(stage: Stage) -> None:
    page = stage.tab.show(f"pod/default/{stage.pod()}")
    page.get_by_role("button", name="Open terminal").click()
    page.get_by_text("connected", exact=True).wait_for()
    screen = page.get_by_label("Screen of the terminal")
    page.keyboard.type("echo $((6 * 7)) 한글; stty size\n")
    screen.get_by_text("42 한글").wait_for()
    sizes = until("the size", lambda: re.findall(r"^(\d+) (\d+)\s*$", screen.inner_text(), re.MULTILINE))
    assert (int(sizes[-1][0]), int(sizes[-1][1]) > 80) == (24, True)
    page.keyboard.type("printf '\\033[31mred\\033[0m\\n'\n")
    red = screen.locator("span", has_text=re.compile("^red$"))
    assert red.evaluate("(element) => getComputedStyle(element).color") == "rgb(205, 49, 49)"
    stage.tab.shot("terminal")
    page.keyboard.press("Control+d")
    page.get_by_text(re.compile("^(ended|closed)")).wait_for()


def test_an_object_is_checked_by_a_dry_run_and_then_written(stage: Stage) -> None:
    page = stage.tab.show("yaml/api/v1/namespaces/default/services/empty")
    editor = page.get_by_label("YAML").last
    text = editor.input_value()
    assert "managedFields" not in text
    editor.fill(text.replace("app: empty", "app: web"))
    page.get_by_role("button", name="Dry run").click()
    page.get_by_text("Dry run: The server accepts it").wait_for()
    assert page.locator(".diff .add").all_inner_texts() == ["+    app: web"]
    assert stage.api.call("GET", f"{SERVICES}/empty")["spec"]["selector"] == {"app": "empty"}
    page.get_by_role("button", name="Apply").click()
    page.get_by_text("Written.").wait_for()
    assert stage.api.call("GET", f"{SERVICES}/empty")["spec"]["selector"] == {"app": "web"}
    editor.fill(editor.input_value().replace("app: web", "app: empty"))
    page.get_by_role("button", name="Apply").click()
    until("the old selector", lambda: stage.api.call("GET", f"{SERVICES}/empty")["spec"]["selector"]["app"] == "empty")


def test_a_manifest_of_several_documents_is_applied(stage: Stage) -> None:
    page = stage.tab.show("yaml")
    documents = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "1"}}
        for name in ("one", "two")
    ]
    page.get_by_label("YAML").last.fill(yaml.safe_dump_all(documents, sort_keys=False))
    page.get_by_role("button", name="Apply").click()
    page.get_by_text("Written.").wait_for()
    for name in ("one", "two"):
        assert stage.api.call("GET", f"/api/v1/namespaces/default/configmaps/{name}")["data"] == {"a": "1"}


def test_dns_queries_are_shown_while_their_log_is_on(stage: Stage) -> None:
    page = stage.tab.show("dns")
    page.get_by_role("button", name="Start the log of queries").click()
    page.get_by_role("button", name="Stop the log of queries").wait_for()
    pod = stage.pod()

    def asked() -> bool:
        run_in(stage, pod, "getent hosts web.default.svc.cluster.local")
        return bool(page.get_by_role("link", name="web.default.svc.cluster.local.").count())

    until("the query", asked)
    page.get_by_text(f"default/{pod}").first.wait_for()
    page.get_by_text("NOERROR").first.wait_for()
    page.get_by_text("NXDOMAIN").first.wait_for()
    stage.tab.shot("dns-queries")
    page.get_by_role("button", name="Stop the log of queries").click()
    page.get_by_role("button", name="Start the log of queries").wait_for()


def run_in(stage: Stage, pod: str, command: str) -> None:
    done = stage.cluster.fairlead("kubectl", "exec", pod, "--", *command.split())
    assert done.returncode == 0, done.stderr


def test_latencies_of_slices_dns_and_requests_are_plotted(stage: Stage) -> None:
    pod = stage.pod()
    run_in(stage, pod, "getent hosts web.default.svc.cluster.local")
    page = stage.tab.show("latency")
    for title in ("slice change to kernel", "rules written", "DNS answer", "slice change to DNS"):
        page.get_by_role("img", name=title).wait_for()
    for title in ("slice change to kernel", "rules written", "DNS answer"):
        figure = page.locator("section", has=page.get_by_role("img", name=title))
        figure.get_by_text(re.compile(r"Since the start: [1-9]\d* times, p50 [\d.]+ (µs|ms|s)")).wait_for()
    url = stage.url()

    def plotted() -> bool:
        with urllib.request.urlopen(url) as answer:
            answer.read()
        shown = page.locator("section", has=page.get_by_role("img", name="default/web-"))
        return bool(shown.count() and re.search(r"[1-9]\d* connections tracked", shown.first.inner_text()))

    until("the requests of a Pod", plotted)
    stage.tab.shot("latency-requests")


@pytest.fixture
def restricted(stage: Stage, tmp_path: Path) -> Path:
    """A kubeconfig of a service account that may only read Services and slices of its namespace."""
    account = "/api/v1/namespaces/default/serviceaccounts"
    stage.api.call("POST", account, {"metadata": {"name": "viewer"}})
    rules = [
        {
            "apiGroups": ["", "discovery.k8s.io"],
            "resources": ["services", "endpointslices"],
            "verbs": ["get", "list", "watch"],
        }
    ]
    stage.api.call("POST", f"{RBAC}/roles", {"metadata": {"name": "viewer"}, "rules": rules})
    subjects = [{"kind": "ServiceAccount", "name": "viewer", "namespace": "default"}]
    reference = {"kind": "Role", "name": "viewer", "apiGroup": "rbac.authorization.k8s.io"}
    binding = {"metadata": {"name": "viewer"}, "subjects": subjects, "roleRef": reference}
    stage.api.call("POST", f"{RBAC}/rolebindings", binding)
    token = stage.api.call("POST", f"{account}/viewer/token", {"spec": {}})["status"]["token"]
    tree = yaml.safe_load((stage.cluster.state / "kubeconfig").read_text())
    tree["users"][0]["user"] = {"token": token}
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(tree))
    return path


def test_a_restricted_user_sees_and_changes_only_what_its_role_allows(stage: Stage, restricted: Path) -> None:
    with ui(stage.cluster, "--kubeconfig", str(restricted)) as url:
        tab = Tab(stage.browser, url)
        try:
            page = tab.show("services", ready=False)
            page.get_by_text(re.compile('"system:serviceaccount:default:viewer" cannot list')).first.wait_for()
            page.get_by_label("Namespace", exact=True).fill("default")
            page.get_by_label("Namespace", exact=True).press("Enter")
            page.get_by_role("link", name="web", exact=True).wait_for()
            tab.show("pods", ready=False)
            page.get_by_text(re.compile("cannot list resource")).first.wait_for()
            tab.show("yaml/api/v1/namespaces/default/services/web")
            page.get_by_role("button", name="Apply").click()
            page.get_by_text(re.compile("cannot update resource")).wait_for()
        finally:
            tab.close()


def test_the_page_comes_back_after_a_restart_of_the_control_plane(stage: Stage) -> None:
    """Sessions end with the API server; the page then leads to the login."""
    with ui(stage.cluster) as url:
        tab = Tab(stage.browser, url)
        try:
            page = tab.show("services")
            os.kill(stage.cluster.component("control-plane")["pid"], signal.SIGTERM)
            page.get_by_text("You are not logged in.").wait_for(timeout=30_000)
            stage.tab.page.get_by_text("You are not logged in.").wait_for(timeout=30_000)
            stage.tab.errors.clear()  # the answers 401
        finally:
            tab.close()
