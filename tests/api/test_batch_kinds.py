"""Job and CronJob: refusals in upstream's words; defaults, updates, status and columns of Jobs."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fairlead.api.batch.cronjob import CRON_JOB
from fairlead.api.batch.job import JOB
from fairlead.base.instant import Instant, parse_time
from fairlead.machinery.kinds.kind import Kind
from tests.api.objects import Tree, container, created, made, wrong, wrong_update

UID = "11111111-2222-3333-4444-555555555555"
RULE, EXIT = "spec.podFailurePolicy.rules[0]", "spec.podFailurePolicy.rules[0].onExitCodes"
SUCCESS = "spec.successPolicy.rules[0]"


def template(**spec: Any) -> Tree:
    return {"spec": {"restartPolicy": "Never", "containers": [container()]} | spec}


def job(**spec: Any) -> Tree:
    return {"metadata": {"name": "x", "uid": UID}, "spec": {"template": template()} | spec}


def indexed(**spec: Any) -> Tree:
    return job(**({"completionMode": "Indexed", "completions": 5} | spec))


def failing(rule: Tree, **spec: Any) -> Tree:
    return job(podFailurePolicy={"rules": [{"action": "Ignore"} | rule]}, **spec)


def on_exit(**codes: Any) -> Tree:
    return failing({"onExitCodes": {"operator": "In", "values": [1]} | codes})


def succeeding(**rule: Any) -> Tree:
    return indexed(successPolicy={"rules": [rule]})


def cron_job(job_spec: Tree | None = None, **spec: Any) -> Tree:
    return {
        "spec": {"schedule": "5 * * * *", "jobTemplate": {"spec": {"template": template()} | (job_spec or {})}} | spec
    }


def complete(**spec: Any) -> Tree:
    """Returns a Job as the server has it: with defaults and the generated selector and labels."""
    tree: Tree = msgspec.to_builtins(created(JOB, job(**spec)))
    return tree


def number_errors(*names: str) -> list[str]:
    return [f"spec.{name}: Invalid value: -1: must be greater than or equal to 0" for name in names]


COUNTS = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished")
NOT_INDEXED = "requires indexed completion mode"
WRONG: list[tuple[Kind[Any], Tree, list[str]]] = [
    (JOB, job(), []),
    (JOB, indexed(), []),
    (JOB, job(**dict.fromkeys(COUNTS, -1)), number_errors(*COUNTS)),
    (
        JOB,
        job(template=template(restartPolicy="Always")),
        ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
    ),
    (
        JOB,
        indexed(completions=None, parallelism=1),
        ["spec.completions: Required value: when completion mode is Indexed"],
    ),
    (
        JOB,
        job(backoffLimitPerIndex=1, maxFailedIndexes=1),
        [f"spec.{name}: Invalid value: 1: {NOT_INDEXED}" for name in ("backoffLimitPerIndex", "maxFailedIndexes")],
    ),
    (
        JOB,
        indexed(maxFailedIndexes=6),
        [
            "spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified",
            "spec.maxFailedIndexes: Invalid value: 6: must be less than or equal to completions",
        ],
    ),
    (
        JOB,
        indexed(completions=100_001, parallelism=100_001, backoffLimitPerIndex=1),
        [
            "spec.parallelism: Invalid value: 100001: must be less than or equal to 100000 when completion mode is "
            "Indexed",
            "spec.maxFailedIndexes: Required value: must be specified when completions is above 100000",
            "spec.parallelism: Invalid value: 100001: must be less than or equal to 10000 when completions are above "
            "100000 and used with backoff limit per index",
        ],
    ),
    (
        JOB,
        job(completionMode="All"),
        ['spec.completionMode: Unsupported value: "All": supported values: "Indexed", "NonIndexed"'],
    ),
    (JOB, job(managedBy="example.com/runner"), []),
    (
        JOB,
        job(managedBy="runner"),
        ['spec.managedBy: Invalid value: "runner": must be a domain-prefixed path (such as "acme.io/foo")'],
    ),
    (JOB, job(managedBy="a.b/" + "c" * 60), ["spec.managedBy: Too long: may not be more than 63 bytes"]),
    (JOB, on_exit(), []),
    (
        JOB,
        on_exit(operator="Like", values=[], containerName="db"),
        [
            f'{EXIT}.operator: Unsupported value: "Like": supported values: "In", "NotIn"',
            f'{EXIT}.containerName: Invalid value: "db": must be one of the container or initContainer names in the '
            "pod template",
            f"{EXIT}.values: Invalid value: null: at least one value is required",
        ],
    ),
    (
        JOB,
        on_exit(values=[3, 0, 3]),
        [
            f"{EXIT}.values[1]: Invalid value: 0: must not be 0 for the In operator",
            f"{EXIT}.values[2]: Duplicate value: 3",
            f"{EXIT}.values: Invalid value: [3,0,3]: must be ordered",
        ],
    ),
    (
        JOB,
        failing({"action": ""}),
        [
            f'{RULE}.action: Required value: valid values: ["Count" "FailIndex" "FailJob" "Ignore"]',
            f"{RULE}: Invalid value: specifying one of OnExitCodes and OnPodConditions is required",
        ],
    ),
    (
        JOB,
        failing({"action": "FailIndex", "onPodConditions": [{"type": "A", "status": "Yes"}]}),
        [
            f'{RULE}.action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set',
            f'{RULE}.onPodConditions[0].status: Unsupported value: "Yes": supported values: "False", "True", "Unknown"',
        ],
    ),
    (
        JOB,
        failing({"onPodConditions": [{"type": "A"}]}, template=template(restartPolicy="OnFailure")),
        [
            'spec.template.spec.restartPolicy: Invalid value: "OnFailure": only "Never" is supported when '
            "podFailurePolicy is specified"
        ],
    ),
    (
        JOB,
        failing({"onPodConditions": [{"type": "A"}]}, podReplacementPolicy="TerminatingOrFailed"),
        ['spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"'],
    ),
    (JOB, succeeding(succeededIndexes="0,2-4", succeededCount=3), []),
    (
        JOB,
        job(successPolicy={"rules": [{"succeededCount": 1}]}),
        [f'spec.successPolicy: Invalid value: {{"rules":[{{"succeededCount":1}}]}}: {NOT_INDEXED}'],
    ),
    (
        JOB,
        succeeding(),
        [f"{SUCCESS}: Required value: at least one of succeededCount or succeededIndexes must be specified"],
    ),
    (
        JOB,
        succeeding(succeededIndexes="0,2-4", succeededCount=5),
        [
            f"{SUCCESS}.succeededCount: Invalid value: 5: must be less than or equal to 4 (the number of indexes in "
            "the specified succeededIndexes field)"
        ],
    ),
    *(
        (
            JOB,
            succeeding(succeededIndexes=text),
            [f'{SUCCESS}.succeededIndexes: Invalid value: "{text}": error parsing succeededIndexes: {why}'],
        )
        for text, why in (
            ("3,1", "non-increasing order, previous: 3, current: 1"),
            ("4-2", "non-increasing order, previous: 4, current: 2"),
            ("5", 'too large index: "5"'),
            ("a", 'cannot convert string to integer for index: "a"'),
            (
                "0-1-2",
                'the fragment "0-1-2" violates the requirement that an index interval can have at most two parts '
                "separated by '-'",
            ),
        )
    ),
    (
        JOB,
        job(template=template() | {"metadata": {"labels": {"job-name": "other"}}}),
        [
            "spec.template.metadata.labels[job-name]: Invalid value: "
            f'{{"batch.kubernetes.io/controller-uid":"{UID}","batch.kubernetes.io/job-name":"x",'
            f'"controller-uid":"{UID}","job-name":"other"}}: must be \'x\''
        ],
    ),
    (
        JOB,
        job(manualSelector=True, selector={"matchLabels": {"app": "a"}}),
        ["spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`"],
    ),
    (
        JOB,
        job(manualSelector=True),
        [
            "spec.selector: Required value",
            "spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`",
        ],
    ),
    (
        JOB,
        indexed() | {"metadata": {"name": "x" * 62, "uid": UID}},
        [
            f'metadata.name: Invalid value: "{"x" * 62}": will not able to create pod with invalid DNS label: '
            f"{'x' * 62}-4"
        ],
    ),
    (CRON_JOB, cron_job(), []),
    (CRON_JOB, cron_job(schedule="@hourly", timeZone="Europe/Paris"), []),
    (CRON_JOB, cron_job(schedule=""), ["spec.schedule: Required value"]),
    (
        CRON_JOB,
        cron_job(schedule="CRON_TZ=UTC 0 * * * *"),
        [
            'spec.schedule: Invalid value: "CRON_TZ=UTC 0 * * * *": cannot use TZ or CRON_TZ in schedule, use '
            "timeZone field instead"
        ],
    ),
    (
        CRON_JOB,
        cron_job(timeZone=""),
        ['spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string'],
    ),
    (
        CRON_JOB,
        cron_job(timeZone="local"),
        [
            'spec.timeZone: Invalid value: "local": timeZone must be an explicit time zone as defined in '
            "https://www.iana.org/time-zones",
            'spec.timeZone: Invalid value: "local": unknown time zone local',
        ],
    ),
    *(
        (CRON_JOB, cron_job(timeZone=zone), [f'spec.timeZone: Invalid value: "{zone}": unknown time zone {zone}'])
        for zone in ("Mars/Base", "../etc", "a b", "-x/y", "Europe/..")
    ),
    (
        CRON_JOB,
        cron_job(concurrencyPolicy="Queue"),
        ['spec.concurrencyPolicy: Unsupported value: "Queue": supported values: "Allow", "Forbid", "Replace"'],
    ),
    (
        CRON_JOB,
        cron_job(startingDeadlineSeconds=-1, successfulJobsHistoryLimit=-1, failedJobsHistoryLimit=-1),
        number_errors("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"),
    ),
    (
        CRON_JOB,
        cron_job({"selector": {"matchLabels": {"a": "b"}}, "manualSelector": True, "completions": -1}),
        [
            "spec.jobTemplate.spec.completions: Invalid value: -1: must be greater than or equal to 0",
            'spec.jobTemplate.spec.selector: Invalid value: {"matchLabels":{"a":"b"}}: `selector` will be '
            "auto-generated",
            'spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "false", "nil"',
        ],
    ),
]


@pytest.mark.parametrize(("kind", "tree", "expected"), WRONG)
def test_jobs_are_checked_in_upstreams_words(kind: Kind[Any], tree: Tree, expected: list[str]) -> None:
    assert wrong(kind, tree) == expected


def test_a_job_gets_labels_and_a_selector_by_its_uid() -> None:
    found = created(JOB, job())
    assert found.spec.selector.matchLabels == {"batch.kubernetes.io/controller-uid": UID}
    assert found.spec.template.metadata.labels == {
        "controller-uid": UID,
        "batch.kubernetes.io/controller-uid": UID,
        "job-name": "x",
        "batch.kubernetes.io/job-name": "x",
    }


def test_a_job_has_upstreams_defaults() -> None:
    spec = made(JOB, job()).spec
    assert (spec.completions, spec.parallelism, spec.backoffLimit, spec.suspend) == (1, 1, 6, False)
    assert (spec.completionMode, spec.podReplacementPolicy) == ("NonIndexed", "TerminatingOrFailed")
    assert made(JOB, job(parallelism=3)).spec.completions is None
    assert made(JOB, indexed(backoffLimitPerIndex=1)).spec.backoffLimit == 2**31 - 1
    policy = made(JOB, failing({"onPodConditions": [{"type": "A"}]})).spec
    assert policy.podReplacementPolicy == "Failed"
    assert policy.podFailurePolicy.rules[0].onPodConditions[0].status == "True"
    labelled = job(template=template() | {"metadata": {"labels": {"app": "a"}}})
    assert made(JOB, labelled).metadata.labels == {"app": "a"}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({}, {"completions": 1, "parallelism": 4, "suspend": True, "ttlSecondsAfterFinished": 3}, []),
        ({}, {"completions": 2}, ["spec.completions: Invalid value: 2: field is immutable"]),
        (
            {"completionMode": "Indexed", "completions": 2, "parallelism": 2},
            {"completionMode": "Indexed", "completions": 3, "parallelism": 2},
            ["spec.completions: Invalid value: 3: can only be modified in tandem with spec.parallelism"],
        ),
        (
            {"completionMode": "Indexed", "completions": 2, "parallelism": 2},
            {"completionMode": "Indexed", "completions": 3, "parallelism": 3},
            [],
        ),
        (
            {"managedBy": "a.b/c"},
            {"managedBy": "a.b/d"},
            ['spec.managedBy: Invalid value: "a.b/d": field is immutable'],
        ),
    ],
)
def test_a_jobs_updates_keep_what_is_immutable(old: Tree, new: Tree, expected: list[str]) -> None:
    assert wrong_update(JOB, complete(**old), complete(**new)) == expected


def test_only_a_suspended_job_without_pods_may_change_how_its_pods_are_scheduled() -> None:
    moved = template(nodeSelector={"disk": "fast"}, tolerations=[{"operator": "Exists"}])
    larger = template(containers=[container(resources={"requests": {"cpu": "2"}})])
    renamed = template(containers=[container(image="nginx:2")])
    for changed in (moved, larger, renamed):
        (error,) = wrong_update(JOB, complete(), complete(template=changed))
        assert error.startswith("spec.template: Invalid value: {")
    for changed in (moved, larger):
        assert wrong_update(JOB, complete(suspend=True), complete(suspend=True, template=changed)) == []
    (error,) = wrong_update(JOB, complete(suspend=True), complete(suspend=True, template=renamed))
    assert error.startswith("spec.template.spec: Invalid value: {")


START, END = "2026-01-01T00:00:00Z", "2026-01-01T00:01:30Z"


def condition(type: str, status: str = "True") -> Tree:
    return {"type": type, "status": status}


DONE = {
    "startTime": START,
    "completionTime": END,
    "succeeded": 1,
    "conditions": [condition("SuccessCriteriaMet"), condition("Complete")],
}
FAILED = {"startTime": START, "failed": 1, "conditions": [condition("FailureTarget"), condition("Failed")]}


@pytest.mark.parametrize(
    ("spec", "old", "new", "expected"),
    [
        ({}, {}, DONE, []),
        ({}, {}, FAILED, []),
        (
            {},
            {},
            {"conditions": [condition("Complete")]},
            [
                "status.conditions: Invalid value: cannot set Complete=True condition without the "
                "SuccessCriteriaMet=true condition",
                "status.completionTime: Required value: completionTime is required for Complete jobs",
                "status.startTime: Required value: startTime is required for finished job",
            ],
        ),
        (
            {},
            {},
            {"startTime": START, "conditions": [condition("Failed")]},
            [
                "status.conditions: Invalid value: cannot set Failed=True condition without the FailureTarget=true "
                "condition"
            ],
        ),
        (
            {},
            DONE,
            {},
            [
                "status.succeeded: Invalid value: 0: cannot decrease the succeeded counter",
                "status.conditions: Invalid value: cannot disable the terminal Complete=True condition",
                "status.startTime: Invalid value: null: field is immutable for unsuspended job once set",
                "status.conditions: Invalid value: cannot disable the SuccessCriteriaMet=True condition",
            ],
        ),
        (
            {},
            {},
            DONE | {"active": 1, "terminating": 2, "uncountedTerminatedPods": {"failed": ["a"]}},
            [
                "status.active: Invalid value: 1: active>0 is invalid for finished job",
                'status.uncountedTerminatedPods: Invalid value: {"failed":["a"]}: must be empty for finished job',
                "status.terminating: Invalid value: 2: terminating>0 is invalid for finished job",
            ],
        ),
        (
            {},
            {},
            {"completionTime": END, "ready": 1, "completedIndexes": "0"},
            [
                f'status.completionTime: Invalid value: "{END}": cannot set completionTime when there is no '
                "Complete=True condition",
                'status.completedIndexes: Invalid value: "0": cannot set non-empty completedIndexes when non-indexed '
                "completion mode",
                "status.ready: Invalid value: 1: cannot set more ready pods than active",
            ],
        ),
        (
            {"completionMode": "Indexed", "completions": 4, "backoffLimitPerIndex": 1},
            {},
            {"completedIndexes": "0-2", "failedIndexes": "2"},
            ['status.failedIndexes: Invalid value: "2": failedIndexes and completedIndexes overlap at index: 2'],
        ),
        (
            {},
            {"startTime": START, "conditions": [condition("Suspended")]},
            {"conditions": [condition("Suspended", "False")]},
            [],
        ),
    ],
)
def test_a_jobs_status_may_not_go_back(spec: Tree, old: Tree, new: Tree, expected: list[str]) -> None:
    def job_with(status: Tree) -> Any:
        found = created(JOB, job(**spec))
        found.status = made(JOB, job() | {"status": status}).status
        return found

    assert [str(error) for error in JOB.transition(job_with(old), job_with(new))] == expected


def test_the_columns_of_a_job_show_its_progress() -> None:
    def row(tree: Tree, now: str = END) -> list[Any]:
        found = made(JOB, tree)
        return [column.cell(found, Instant(parse_time(now))) for column in JOB.columns if not column.wide][1:4]

    assert row(job()) == ["Running", "0/1", ""]
    assert row(job(parallelism=3)) == ["Running", "0/1 of 3", ""]
    assert row(job() | {"status": DONE}) == ["Complete", "1/1", "90s"]
    assert row(job() | {"status": FAILED}) == ["Failed", "0/1", "90s"]
    assert row(job() | {"status": {"conditions": [condition("Suspended")]}}) == ["Suspended", "0/1", ""]
