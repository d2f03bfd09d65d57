"""Random nodes and pods, with every field that decides whether a pod fits on a node."""

from __future__ import annotations

import random
from typing import Any

Tree = dict[str, Any]

_HOST = "kubernetes.io/hostname"
_ZONE = "topology.kubernetes.io/zone"
_APPS = ("web", "db", "cache")


class Dice:
    """Draws parts of objects; equal seeds draw equal worlds."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def often(self, share: float = 0.5) -> bool:
        return self.rng.random() < share

    def one(self, *values: Any) -> Any:
        return self.rng.choice(values)

    def node(self, name: str) -> Tree:
        labels = {_HOST: name, "disk": self.one("ssd", "hdd"), "size": str(self.rng.randrange(5))}
        if self.often(0.85):
            labels[_ZONE] = self.one("a", "b")
        amounts = {"cpu": self.one("1", "2", "4"), "memory": self.one("1Gi", "4Gi"), "pods": self.one("3", "110")}
        if self.often(0.3):
            amounts["example.com/gpu"] = "2"
        taints = [self.taint() for _ in range(self.one(0, 0, 0, 1, 2))]
        unique = {(t["key"], t["effect"]): t for t in taints}
        spec: Tree = {"taints": list(unique.values())}
        if self.often(0.15):
            spec["unschedulable"] = True
            spec["taints"].append({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"})
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
        status = {"capacity": amounts, "allocatable": amounts, "conditions": [ready]}
        return {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": status}

    def taint(self) -> Tree:
        effect = self.one("NoSchedule", "PreferNoSchedule", "NoExecute")
        return {"key": self.one("a", "b"), "value": self.one("x", "y", ""), "effect": effect}

    def toleration(self) -> Tree:
        if self.often(0.2):
            return {"operator": "Exists"}
        made = {"key": self.one("a", "b", "node.kubernetes.io/unschedulable"), "effect": self.one("", "NoSchedule")}
        return made | ({"operator": "Exists"} if self.often() else {"operator": "Equal", "value": self.one("x", "y")})

    def pod(self, name: str, namespace: str) -> Tree:
        labels = {"app": self.one(*_APPS), "version": self.one("1", "2")}
        containers = [self.container(f"c{i}") for i in range(self.one(1, 1, 2))]
        spec: Tree = {"containers": containers, "automountServiceAccountToken": False}
        if self.often(0.2):
            init = [self.container(f"i{i}") for i in range(2)]
            if self.often():
                init[0]["restartPolicy"] = "Always"
            spec["initContainers"] = init
        if self.often(0.3):
            spec["tolerations"] = [self.toleration() for _ in range(self.one(1, 2))]
        if self.often(0.2):
            spec["nodeSelector"] = {"disk": self.one("ssd", "hdd", "tape")}
        if self.often(0.5):
            spec["affinity"] = self.affinity()
        if self.often(0.3):
            spec["topologySpreadConstraints"] = self.spreads()
        return {"metadata": {"name": name, "namespace": namespace, "labels": labels}, "spec": spec}

    def container(self, name: str) -> Tree:
        requests = {}
        if self.often(0.6):
            requests["cpu"] = self.one("100m", "500m", "1500m", "3")
        if self.often(0.4):
            requests["memory"] = self.one("100Mi", "900Mi", "3Gi")
        made: Tree = {"name": name, "image": "example.com/x:1", "resources": {"requests": requests}}
        if self.often(0.15):
            amount = {"example.com/gpu": self.one("1", "2")}
            made["resources"] = {"requests": requests | amount, "limits": amount}
        if name == "c0" and self.often(0.2):
            port = {"containerPort": 80, "hostPort": self.one(8080, 8081), "protocol": self.one("TCP", "UDP")}
            made["ports"] = [port | ({"hostIP": self.one("127.0.0.1", "127.0.0.2")} if self.often(0.3) else {})]
        return made

    def affinity(self) -> Tree:
        made: Tree = {}
        if self.often(0.4):
            terms = [self.node_term() for _ in range(self.one(1, 1, 2))]
            made["nodeAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
        for kind, share in (("podAffinity", 0.4), ("podAntiAffinity", 0.5)):
            if self.often(share):
                terms = [self.pod_term() for _ in range(self.one(1, 1, 2))]
                made[kind] = {"requiredDuringSchedulingIgnoredDuringExecution": terms}
        return made

    def node_term(self) -> Tree:
        requirements = [
            {"key": "disk", "operator": "In", "values": ["ssd", "tape"]},
            {"key": "disk", "operator": "NotIn", "values": ["ssd"]},
            {"key": "size", "operator": "Gt", "values": ["2"]},
            {"key": "size", "operator": "Lt", "values": ["2"]},
            {"key": _ZONE, "operator": "Exists"},
            {"key": _ZONE, "operator": "DoesNotExist"},
        ]
        if self.often(0.2):
            name = f"n{self.rng.randrange(4)}"
            return {"matchFields": [{"key": "metadata.name", "operator": self.one("In", "NotIn"), "values": [name]}]}
        return {"matchExpressions": self.rng.sample(requirements, self.one(1, 1, 2))}

    def pod_term(self) -> Tree:
        term: Tree = {"topologyKey": self.one(_HOST, _ZONE, "disk"), "labelSelector": self.selector()}
        if self.often(0.25):
            term["namespaces"] = [self.one("one", "two")]
        if self.often(0.25):
            term["namespaceSelector"] = self.one({}, {"matchLabels": {"team": "two"}})
        if self.often(0.2):
            term[self.one("matchLabelKeys", "mismatchLabelKeys")] = ["version"]
        return term

    def selector(self) -> Tree:
        but_one = {"key": "app", "operator": "NotIn", "values": [self.one(*_APPS)]}
        made: Tree = self.one({"matchLabels": {"app": self.one(*_APPS)}}, {"matchExpressions": [but_one]}, {})
        return made

    def spreads(self) -> list[Tree]:
        made = []
        for key in self.rng.sample([_HOST, _ZONE], self.one(1, 1, 2)):
            spread: Tree = {"topologyKey": key, "maxSkew": self.one(1, 2), "labelSelector": self.selector()}
            spread["whenUnsatisfiable"] = self.one("DoNotSchedule", "DoNotSchedule", "ScheduleAnyway")
            for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
                if self.often(0.3):
                    spread[field] = self.one("Honor", "Ignore")
            if self.often(0.2) and spread["whenUnsatisfiable"] == "DoNotSchedule":
                spread["minDomains"] = self.one(1, 3)
            if self.often(0.2) and spread["labelSelector"]:
                spread["matchLabelKeys"] = ["version"]
            made.append(spread)
        return made
