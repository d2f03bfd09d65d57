"""Credentials for registries: from pull secrets of Pods and from Docker's own `config.json`.

Source: Kubernetes' documentation of image pull secrets: a key is a registry with an optional path, `*` matches within a
part of the host's name, and the longest matching key goes first.
"""

from __future__ import annotations

import base64
import binascii
import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from fairlead.base.dataclass import dataclass
from fairlead.images.reference import DOCKER_HUB, Reference

_HUB_KEYS = ("docker.io", "index.docker.io", "registry-1.docker.io")
_HELPER_S = 10.0


@dataclass(frozen=True, slots=True)
class Credential:
    username: str = ""
    password: str = ""
    identity_token: str = ""
    """A token that the authorization server exchanges for others (OAuth 2 refresh token)."""


def parse_auths(tree: Any) -> dict[str, Credential]:
    """Returns the credentials of `auths` (or of a `.dockercfg`, whose keys stand at the top), by registry. Entries that
    cannot be read are left out, as in kubelets."""
    entries = tree.get("auths", tree) if isinstance(tree, dict) else {}
    found = {}
    for key, entry in entries.items() if isinstance(entries, dict) else ():
        credential = _credential(entry) if isinstance(entry, dict) else None
        if credential is not None:
            found[key] = credential
    return found


def _credential(entry: Mapping[str, Any]) -> Credential | None:
    username, password = entry.get("username") or "", entry.get("password") or ""
    auth, token = entry.get("auth") or "", entry.get("identitytoken") or ""
    if isinstance(auth, str) and auth:
        try:
            username, _, password = base64.b64decode(auth).decode().rstrip("\0").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
    texts = (username, password, token)
    return Credential(*texts) if all(isinstance(t, str) for t in texts) and any(texts) else None


def matching(auths: Mapping[str, Credential], reference: Reference) -> list[Credential]:
    """Returns the credentials for an image, those with the longest key first."""
    keys = [key for key in auths if _matches(_bare(key), reference)]
    return list(dict.fromkeys(auths[key] for key in sorted(keys, key=lambda k: (-len(_bare(k)), k))))


def _bare(key: str) -> str:
    """Returns a key without scheme and API version: `https://index.docker.io/v1/` gives `index.docker.io`."""
    text = key.partition("://")[2] or key
    text = text.rstrip("/")
    return text.removesuffix("/v1").removesuffix("/v2")


def _matches(key: str, reference: Reference) -> bool:
    host, _, path = key.partition("/")
    repository = f"{reference.repository}/"
    if path and not repository.startswith(f"{path}/"):
        return False
    if reference.registry == DOCKER_HUB:
        return host in _HUB_KEYS
    patterns, names = host.split("."), reference.registry.split(".")
    pairs = zip(patterns, names, strict=False)
    return len(patterns) == len(names) and all(fnmatchcase(name, pattern) for pattern, name in pairs)


def of_secrets(secrets: Iterable[tuple[str, Mapping[str, bytes]]]) -> Iterator[dict[str, Credential]]:
    """Yields the credentials of pull secrets, given by type and data."""
    keys = {"kubernetes.io/dockerconfigjson": ".dockerconfigjson", "kubernetes.io/dockercfg": ".dockercfg"}
    for kind, data in secrets:
        try:
            tree = json.loads(data.get(keys.get(kind, ""), b"{}"))
        except ValueError:
            continue
        yield parse_auths(tree)


def of_docker(path: str, reference: Reference) -> list[Credential]:
    """Returns the credentials that Docker has for the image on this machine, by its file or its helper programs."""
    try:
        with open(path, encoding="utf-8") as file:
            tree = json.load(file)
    except (OSError, ValueError):
        return []
    if not isinstance(tree, dict):
        return []
    found = matching(parse_auths({"auths": tree.get("auths") or {}}), reference)
    host = "https://index.docker.io/v1/" if reference.registry == DOCKER_HUB else reference.registry
    helper = (tree.get("credHelpers") or {}).get(host) or tree.get("credsStore") or ""
    asked = _ask_helper(str(helper), host) if helper else None
    return found + ([asked] if asked else [])


def _ask_helper(helper: str, host: str) -> Credential | None:
    """Asks a `docker-credential-*` program."""
    try:
        done = subprocess.run(
            [f"docker-credential-{helper}", "get"],
            input=host.encode(),
            capture_output=True,
            timeout=_HELPER_S,
            check=True,
        )
        tree = json.loads(done.stdout)
        name, secret = str(tree["Username"]), str(tree["Secret"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None
    return Credential(identity_token=secret) if name == "<token>" else Credential(name, secret)
