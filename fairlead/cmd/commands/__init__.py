"""The commands, in wings by what a user does: one module each, with `configure(parser)`, which adds its flags, and
`run(args)`, which returns its exit code. `COMMANDS` declares every command. Only the module of the called command is
imported, so a module's imports cost the other commands nothing.
"""

from __future__ import annotations

from typing import NamedTuple

DEFAULT_NAME = "default"


class Command(NamedTuple):
    """The declaration of a command; a NamedTuple, because `dataclasses` would double the imports of `--help`."""

    name: str
    """The name of the command; that of its module has `_` instead of `-`."""
    wing: str
    """The folder of its module, by what a user does with the command."""
    summary: str
    """A phrase for `fairlead --help`."""
    cluster: str | None = DEFAULT_NAME
    """The default of `--name`; None: the command is not about a cluster of this machine."""
    guesses: bool = True
    """If `--name` is missing, the command is about $FAIRLEAD_NAME, or else the only running cluster."""
    takes_argv: bool = False
    """The command gets a command line: the words after `--`, or from the first word that is not for itself."""
    before_argv: str = "(?!)"
    """A pattern of the words without a dash that are for the command itself."""
    passes_flags: bool = False
    """Flags that the command does not have begin the command line."""

    @property
    def module(self) -> str:
        return f"{self.wing}.{self.name.replace('-', '_')}"


COMMANDS = (
    Command(
        "up", "lifecycle", "start a cluster; settings that are not given are those of its last start", guesses=False
    ),
    Command("down", "lifecycle", "stop a cluster"),
    Command("delete", "lifecycle", "stop a cluster and delete its objects; the same as `down --purge`"),
    Command("list", "reporting", "list the clusters of this user", cluster=None),
    Command("status", "reporting", "show the state of a cluster"),
    Command("env", "access", "print the shell command that sets KUBECONFIG for a cluster"),
    Command("kubeconfig", "access", "print the kubeconfig of a cluster"),
    Command(
        "shell",
        "access",
        "run a shell or a command in a node's network, with the host's files",
        takes_argv=True,
        before_argv="node[0-9]+",
    ),
    Command("kubectl", "access", "run kubectl for a cluster", takes_argv=True, passes_flags=True),
    Command("logs", "reporting", "show the logs of a cluster's components"),
    Command(
        "support-bundle",
        "reporting",
        "write an archive for a bug report: state, logs, objects, events and rules, no secrets",
    ),
    Command("services", "access", "list the URLs at which this machine reaches the Services of a cluster"),
    Command(
        "reset",
        "lifecycle",
        "bring a running cluster back to its first state: no objects but the initial ones, empty volumes",
    ),
    Command("snapshot", "lifecycle", "save and restore the objects and volumes of a running cluster"),
    Command("why", "explaining", "say why a Service does not work, and what to do about it"),
    Command("rules", "explaining", "show the proxy's rules in the nodes' kernels in plain words"),
    Command("trace", "explaining", "show each rule that a packet meets, and its possible ends"),
    Command(
        "lint",
        "explaining",
        "check manifests without a cluster: the line of each mistake, and how it should be",
        cluster=None,
    ),
    Command("watch", "explaining", "follow a Service live: endpoints, rules, DNS, connections, Pods"),
    Command("open", "access", "open a Service in the browser"),
    Command("ui", "access", "open the page about a cluster in the browser"),
    Command("image", "machine", "pull, load, build and list images for the Pods of this user's clusters", cluster=None),
    Command(
        "announce",
        "machine",
        "announce load balancers' addresses on the network of this machine (root; docs/machines.md)",
    ),
    Command(
        "demo",
        "lifecycle",
        "start a fresh cluster with Pods and Services, and show which Pods answer",
        cluster="demo",
        guesses=False,
    ),
    Command(
        "proxy",
        "machine",
        "run only the Service proxy, for a node of any Kubernetes cluster, in this network namespace",
        cluster=None,
    ),
    Command(
        "doctor",
        "machine",
        "check what this machine has for a cluster; each finding with its cure, exit code 1 if a cluster cannot run",
        cluster=None,
    ),
    Command(
        "completion", "program", "print the script that completes command lines in bash, zsh or fish", cluster=None
    ),
    Command("man", "program", "print the manual page of all commands, as `man` reads it", cluster=None),
    Command("version", "program", "print the version of Fairlead", cluster=None),
)

ELSEWHERE = {
    "create": "up",
    "start": "up",
    "stop": "down",
    "halt": "down",
    "remove": "delete",
    "rm": "delete",
    "ls": "list",
    "ps": "list",
    "ssh": "shell",
    "exec": "shell",
    "service": "services",
    "dashboard": "ui",
    "load": "image",
}
"""Words of other tools, and the command that does it here."""
