"""Turns over years of changing clocks: no gap, no overlap, and the next change is known to the second."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from gatekeep.domain.identity import Principal
from gatekeep.errors import SettingsError
from gatekeep.identity.on_call import Schedule, load_schedule

US = 1_000_000
ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo",
    "Asia/Kathmandu", "Pacific/Apia", "Africa/Casablanca",
)  # fmt: skip
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NAMES = ("ann", "bob", "cyd", "dan", "eve")
_BEGIN = int(dt.datetime(2024, 1, 1, tzinfo=dt.UTC).timestamp())
_END = int(dt.datetime(2028, 1, 1, tzinfo=dt.UTC).timestamp())

zones = st.sampled_from(ZONES)
moments = st.integers(_BEGIN, _END).map(lambda second: second * US)
clocks = st.builds("{:02d}:{:02d}".format, st.integers(0, 23), st.integers(0, 59))


def schedule(directory: Path, zone: str, turns: Sequence[dict[str, object]]) -> Schedule:
    """A schedule of one group."""
    file = directory / "on-call.yaml"
    file.write_text(yaml.safe_dump({"groups": {"dba": {"zone": zone, "turns": list(turns)}}}))
    return load_schedule(file)


def tiled(cuts: Sequence[str]) -> list[dict[str, object]]:
    """Turns that fill each day from cut to cut, the last into the next day."""
    ends = [*cuts[1:], cuts[0]]
    return [
        {"person": NAMES[at], "begins": begins, "ends": end}
        for at, (begins, end) in enumerate(zip(cuts, ends, strict=True))
    ]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where schedules are written."""
    return tmp_path_factory.mktemp("turns")


@given(zone=zones, at_us=moments, cuts=st.lists(clocks, min_size=1, max_size=5, unique=True).map(sorted))
@example(zone="Europe/Berlin", at_us=1_774_746_000 * US, cuts=["02:00", "02:30", "03:00"])
@example(zone="Europe/Berlin", at_us=1_792_889_999 * US, cuts=["02:00", "02:30", "03:00"])
@example(zone="Australia/Lord_Howe", at_us=1_775_314_800 * US, cuts=["01:30", "02:00"])
def test_days_that_are_filled_have_one_person_at_every_moment(
    directory: Path, zone: str, at_us: int, cuts: list[str]
) -> None:
    """In each zone, in the hour that is left out and in the one that comes twice."""
    on_call = schedule(directory, zone, tiled(cuts)).now("dba", at_us)
    assert on_call is not None
    assert len(on_call) == 1


@given(zone=zones, at_us=moments, cuts=st.lists(clocks, min_size=2, max_size=5, unique=True).map(sorted))
@example(zone="Europe/Berlin", at_us=1_774_742_400 * US, cuts=["02:30", "12:00"])
@example(zone="Pacific/Apia", at_us=1_700_000_000 * US, cuts=["00:00", "12:00"])
def test_the_next_change_is_known_to_the_second(
    directory: Path, zone: str, at_us: int, cuts: list[str]
) -> None:
    """Until then the same person, from then on another one; at the latest a day later."""
    rota = schedule(directory, zone, tiled(cuts))
    until_us = rota.until_us("dba", at_us)
    now = rota.now("dba", at_us)
    assert at_us < until_us <= at_us + 26 * 3600 * US
    assert rota.now("dba", until_us) != now
    assert rota.now("dba", until_us - US) == now
    for part in range(1, 10):
        assert rota.now("dba", at_us + (until_us - US - at_us) * part // 10) == now


@given(zone=zones, at_us=moments, days=st.sets(st.sampled_from(DAYS), min_size=1), begins=clocks, ends=clocks)
def test_turns_of_some_days_are_of_those_days(
    directory: Path, zone: str, at_us: int, days: set[str], begins: str, ends: str
) -> None:
    """Compared with a second way to say it: minute by minute of the local week."""
    turn = {"person": "ann", "days": sorted(days), "begins": begins, "ends": ends}
    on_call = schedule(directory, zone, [turn]).now("dba", at_us)
    local = dt.datetime.fromtimestamp(at_us // US, ZoneInfo(zone))
    minute = local.weekday() * 1440 + local.hour * 60 + local.minute
    first, last = (int(text[:2]) * 60 + int(text[3:]) for text in (begins, ends))
    length = (last - first) % 1440 or 1440
    wanted = any((minute - DAYS.index(day) * 1440 - first) % 10_080 < length for day in days)
    assert on_call == (frozenset({"ann"}) if wanted else frozenset())


@given(zone=zones, at_us=moments, weeks=st.integers(1, 4), hand_over=clocks)
def test_weeks_in_turn_leave_no_gap(
    directory: Path, zone: str, at_us: int, weeks: int, hand_over: str
) -> None:
    """A rotation of weeks by dates, handed over at the same hour each time."""
    begin = dt.datetime.fromtimestamp(at_us // US, ZoneInfo(zone)).date() - dt.timedelta(days=10)
    turns = [
        {
            "person": NAMES[week % 5], "begins": hand_over, "ends": hand_over,
            "first": str(begin + dt.timedelta(days=7 * week)),
            "last": str(begin + dt.timedelta(days=7 * week + 6)),
        }
        for week in range(weeks + 2)
    ]  # fmt: skip
    on_call = schedule(directory, zone, turns).now("dba", at_us)
    assert on_call is not None
    assert len(on_call) == 1


def test_nobodys_turn_has_an_end_too(directory: Path) -> None:
    """A gap is shown with its end; turns that never change have none."""
    day = int(dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC).timestamp()) * US
    gap = schedule(directory, "UTC", [{"person": "ann", "days": ["fri"]}])
    assert gap.now("dba", day) == frozenset()
    assert gap.until_us("dba", day) == day + (2 * 24 + 12) * 3600 * US
    always = schedule(directory, "UTC", [{"person": "ann"}])
    assert always.until_us("dba", day) == 0
    assert always.until_us("nobody", day) == 0


@pytest.mark.parametrize(
    ("text", "key", "what"),
    [
        ("{turns: [{person: bob}], webhook: {url: 'https://o.example/', secret: 'env:A'}}",
         "groups.dba", "has turns and a webhook"),
        ("{webhook: {url: 'http://o.example/', secret: 'env:A'}}", "groups.dba.webhook.url",
         "is in clear"),
        ("{webhook: {url: 'https://o.example/', secret: 'hunter2'}}", "groups.dba.webhook.secret",
         "is no secret reference"),
        ("{turns: [{person: bob, first: 2026-11-02, last: 2026-11-01}]}", "groups.dba.turns[0]",
         "ends before it begins"),
        ("{escalate: {after_s: 60, to: dba}}", "", "dba escalates to itself"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_an_error(
    tmp_path: Path, text: str, key: str, what: str
) -> None:
    """With file, key and what to do; a secret that was written down is not repeated."""
    file = tmp_path / "on-call.yaml"
    file.write_text(f"groups:\n  dba: {text}\n")
    with pytest.raises(SettingsError) as raised:
        load_schedule(file)
    assert (raised.value.key, what in str(raised.value)) == (key, True)
    assert "hunter2" not in f"{raised.value} {raised.value.fix}"


def test_a_webhook_stands_for_turns(tmp_path: Path) -> None:
    """The schedule itself says nothing of that group then."""
    file = tmp_path / "on-call.yaml"
    file.write_text(
        "groups: {dba: {webhook: {url: 'https://o.example/x', secret: 'env:ON_CALL'}}}\n"
    )
    rota = load_schedule(file)
    assert (rota.hooks["dba"].url, rota.hooks["dba"].secret) == (
        "https://o.example/x", "env:ON_CALL",
    )  # fmt: skip
    assert rota.now("dba", 0) is None


def test_turns_of_strangers_are_known(tmp_path: Path) -> None:
    """They count for nobody, which is most likely a slip of the pen."""
    people = [
        Principal("ann", "ann", frozenset({"dba"})), Principal("bob", "bob", frozenset({"sre"})),
        Principal("cyd", "cyd", frozenset({"dba"}), owner="ann"),
    ]  # fmt: skip
    rota = schedule(tmp_path, "UTC", [{"person": name} for name in ("ann", "bob", "cyd", "dan")])
    assert rota.strangers(people) == [("dba", "bob"), ("dba", "cyd"), ("dba", "dan")]
