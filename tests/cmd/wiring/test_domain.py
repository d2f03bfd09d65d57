"""The cluster's domain on its way from the settings of DNS to resolv.confs."""

from __future__ import annotations

from pathlib import Path

from fairlead.base.log import SILENT
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.cluster.paths import Paths, read_domain
from fairlead.cmd.nodes.resolvconf import write_files
from fairlead.cmd.wiring.domain import update


def test_the_domain_follows_the_settings_and_refused_ones_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "cluster-domain"
    assert read_domain(path) == "cluster.local"
    update(path, {}, SILENT)
    assert not path.exists()
    update(path, {"domain": "K8s.Test."}, SILENT)
    assert read_domain(path) == "k8s.test"
    update(path, {"domain": "other.test", "pods": "perhaps"}, SILENT)
    assert read_domain(path) == "k8s.test"
    update(path, {}, SILENT)
    assert read_domain(path) == "cluster.local"


def test_a_shell_searches_the_domain(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    update(paths.domain, {"domain": "k8s.test"}, SILENT)
    (source, target), *_ = write_files(ClusterConfig("x"), paths)
    assert target == "/etc/resolv.conf"
    assert Path(source).read_text().splitlines() == [
        "nameserver 10.96.0.10",
        "search svc.k8s.test k8s.test",
        "options ndots:5",
    ]


def test_dns_has_the_tenth_address_of_each_family() -> None:
    assert ClusterConfig("x").dns_ips == ("10.96.0.10",)
    both = ClusterConfig("x", pod_cidr="10.244.0.0/16,fd00:10:244::/56", service_cidr="10.96.0.0/12,fd00:10:96::/112")
    assert both.dns_ips == ("10.96.0.10", "fd00:10:96::a")
