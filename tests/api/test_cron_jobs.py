"""CronJob: defaults, columns, names, schedules, time zones."""

from __future__ import annotations

import zoneinfo

import pytest

from fairlead.api.batch.cronjob import CRON_JOB
from fairlead.api.batch.cronjob.schedule import Interval, Schedule, ScheduleError, parse_schedule
from fairlead.base.instant import Instant, parse_time
from fairlead.machinery.values.status import FieldError
from tests.api.objects import created, made, wrong
from tests.api.test_batch_kinds import END, START, cron_job


def test_a_cron_job_has_upstreams_defaults_and_leaves_its_jobs_template_without() -> None:
    spec = made(CRON_JOB, cron_job()).spec
    assert (spec.concurrencyPolicy, spec.suspend) == ("Allow", False)
    assert (spec.successfulJobsHistoryLimit, spec.failedJobsHistoryLimit) == (3, 1)
    assert spec.jobTemplate.spec.completions is None
    assert spec.jobTemplate.spec.template.spec.dnsPolicy == "ClusterFirst"


def test_the_columns_of_a_cron_job_show_its_schedule() -> None:
    status = {"active": [{"name": "a"}], "lastScheduleTime": START}
    found = made(CRON_JOB, cron_job(timeZone="Europe/Paris") | {"status": status})
    cells = {column.name: column.cell(found, Instant(parse_time(END))) for column in CRON_JOB.columns}
    assert cells == {
        "Name": "x",
        "Schedule": "5 * * * *",
        "Timezone": "Europe/Paris",
        "Suspend": "False",
        "Active": 1,
        "Last Schedule": "90s",
        "Age": "<unknown>",
        "Containers": "web",
        "Images": "nginx:1.14",
        "Selector": "<none>",
    }


def test_a_name_of_a_cron_job_leaves_room_for_the_names_of_its_jobs() -> None:
    long = created(CRON_JOB, cron_job() | {"metadata": {"name": "x" * 53}})
    errors: list[FieldError] = list(CRON_JOB.create_rules(long))
    assert [str(e) for e in errors] == [
        f'metadata.name: Invalid value: "{"x" * 53}": must be no more than 52 characters'
    ]


def test_time_zones_are_known_on_a_machine_without_a_database_of_them() -> None:
    zoneinfo.reset_tzpath(to=[])
    zoneinfo.ZoneInfo.clear_cache()
    try:
        assert wrong(CRON_JOB, cron_job(timeZone="America/Argentina/Ushuaia")) == []
    finally:
        zoneinfo.reset_tzpath()


def test_a_schedule_lists_the_values_of_each_field() -> None:
    found = parse_schedule("*/15 0,12 1-10/3 JAN,jun mon-fri")
    assert isinstance(found, Schedule)
    assert sorted(found.minute.values) == [0, 15, 30, 45]
    assert sorted(found.hour.values) == [0, 12]
    assert sorted(found.day.values) == [1, 4, 7, 10]
    assert sorted(found.month.values) == [1, 6]
    assert sorted(found.weekday.values) == [1, 2, 3, 4, 5]
    assert not found.minute.any
    daily = parse_schedule("@daily")
    assert isinstance(daily, Schedule)
    assert daily.day.any
    assert sorted(parse_schedule("5/20 * * * *").minute.values) == [5, 25, 45]  # type: ignore[union-attr]
    assert parse_schedule("@every 1h30m0.5s") == Interval(5400.5)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("* * * * 5-3", "beginning of range (5) beyond end of range (3): 5-3"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
        ("@never", "unrecognized descriptor: @never"),
        ("@every soon", 'failed to parse duration @every soon: time: invalid duration "soon"'),
        ("TZ=0", "invalid schedule format: runtime error: slice bounds out of range [3:-1]"),
    ],
)
def test_a_wrong_schedule_is_refused_in_upstreams_words(text: str, why: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        parse_schedule(text)
    assert str(caught.value) == why
