"""The policy's way into force, in a real gateway: who may loosen it, and what is left behind."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.fake_journal import FakeJournal
from support.gateway import PERMISSIVE

from gatekeep.app import Gateway
from gatekeep.domain.events import SearchQuery
from gatekeep.errors import JournalUnavailable, SettingsError
from gatekeep.gate.policy_ports import PolicyWish
from gatekeep.identity.directory import os_user_name
from gatekeep.policy_versions import PolicyVersions
from gatekeep.settings import load_settings

NO_DROP = '\n@id("no-drop") forbid (principal, action in Action::"sql", resource)\nwhen { context.verb == "DROP" };\n'
MORE = '\n@id("more") permit (principal, action in Action::"sql", resource);\n'
CASES: dict[str, Any] = {
    "groups": {"engineers": ["alice"]},
    "targets": {"orders": {}},
    "cases": [
        {"name": "a drop", "who": "alice", "on": "orders", "action": "sql.ddl",
         "facts": {"verb": "DROP"}, "expect": "deny"},
    ],
}  # fmt: skip
CAROL = PolicyWish("carol", "apply", "carol-os", "OPS-412")


@pytest.fixture
def place() -> Iterator[Path]:
    """Configuration without targets; the policy permits everything but DROP. A short path."""
    place = Path(tempfile.mkdtemp(prefix="gk-pol-"))
    (place / "policy" / "cases").mkdir(parents=True)
    (place / "policy" / "rules.cedar").write_text(PERMISSIVE + NO_DROP)
    (place / "targets.yaml").write_text("targets: []\n")
    (place / "principals.yaml").write_text("principals: [{name: carol, groups: [security]}]\n")
    settle_on(place, single_person=False)
    yield place
    shutil.rmtree(place, ignore_errors=True)


def settle_on(place: Path, *, single_person: bool) -> None:
    """Write the settings."""
    settings = {
        "state_dir": str(place / "state"), "keys_dir": str(place / "keys"),
        "postgres": {"port": 0}, "ssh": {"port": 0}, "http": {"port": 0}, "drain_s": 1.0,
        "policy": {"dir": str(place / "policy"), "single_person": single_person},
    }  # fmt: skip
    (place / "gatekeep.yaml").write_text(yaml.safe_dump(settings))


async def started(place: Path) -> Gateway:
    """A gateway over these files."""
    return await Gateway.start(load_settings(place / "gatekeep.yaml", {}), {})


@pytest.fixture
async def gateway(place: Path) -> AsyncIterator[Gateway]:
    """A gateway that serves, ended afterwards."""
    running = await started(place)
    yield running
    await running.stop()


def write(place: Path, *texts: str) -> None:
    """Edit the rules on disk."""
    (place / "policy" / "rules.cedar").write_text("".join(texts))


async def apply(gateway: Gateway, wish: PolicyWish = CAROL) -> dict[str, Any]:
    """`policy apply`, as the API does it."""
    return dict(await gateway._parts.versions.apply(wish))


async def events(gateway: Gateway, kind: str) -> list[dict[str, Any]]:
    """The payloads of all events of a kind, oldest first."""
    found = await gateway._parts.archive.search(SearchQuery(terms=(("kind", kind),)))
    return [dict(one.payload or {}) for one in reversed(found)]


async def test_the_first_start_imports_the_files_with_their_text(
    gateway: Gateway, place: Path
) -> None:
    """There is nothing to loosen yet; the event holds who, the OS account and every text."""
    (event,) = await events(gateway, "policy.activated")
    assert event["by"] == event["via"] == "start"
    assert event["os_user"] == os_user_name(os.getuid())
    assert event["texts"] == {"rules.cedar": PERMISSIVE + NO_DROP}
    assert event["policy"] == gateway._parts.desk.active.digest
    rules = (PERMISSIVE + NO_DROP).count("@id(")
    assert (event["before"], event["rules"], event["single_person"]) == ("", rules, False)


async def test_applying_what_rules_already_is_no_event(gateway: Gateway) -> None:
    """Same digest, nothing to do."""
    done = await apply(gateway)
    assert done["policy"] == done["before"]
    assert len(await events(gateway, "policy.activated")) == 1


async def test_a_stricter_version_comes_into_force_with_who_and_why(
    gateway: Gateway, place: Path
) -> None:
    """The event names principal, account, reason and the rules that differ; then it rules."""
    write(
        place,
        PERMISSIVE,
        NO_DROP,
        NO_DROP.replace("no-drop", "no-update").replace("DROP", "UPDATE"),
    )
    done = await apply(gateway)
    assert (done["held"], done["added"], done["removed"]) == ([], ["no-update"], [])
    assert done["policy"] == gateway._parts.desk.active.digest != done["before"]
    event = (await events(gateway, "policy.activated"))[-1]
    assert (event["principal"], event["via"], event["os_user"], event["reason"]) == (
        "carol", "apply", "carol-os", "OPS-412",
    )  # fmt: skip
    assert event["added"] == ["no-update"]
    assert event["before"] == done["before"]
    (newest, oldest) = gateway._parts.versions.history(10)
    assert (newest.digest, oldest.digest) == (done["policy"], done["before"])
    assert oldest.texts == {"rules.cedar": PERMISSIVE + NO_DROP}


@pytest.mark.parametrize("loosened", [(PERMISSIVE,), (PERMISSIVE, NO_DROP, MORE)])
async def test_one_person_alone_does_not_loosen(
    gateway: Gateway, place: Path, loosened: tuple[str, ...]
) -> None:
    """A removed forbid, an added permit: refused with the reason, recorded, the old version stays."""
    before = gateway._parts.desk.active.digest
    write(place, *loosened)
    done = await apply(gateway)
    assert done["policy"] == before == gateway._parts.desk.active.digest
    assert len(done["held"]) == 1
    (event,) = await events(gateway, "policy.held")
    assert event["principal"] == "carol"
    assert event["loosens"] == done["held"]
    assert event["texts"] == {"rules.cedar": "".join(loosened)}
    assert [one.held for one in gateway._parts.versions.history(10)] == [True, False]


async def test_a_signal_does_not_loosen_either_and_the_rest_is_loaded(
    gateway: Gateway, place: Path
) -> None:
    """An edit on disk and SIGHUP: held and recorded once; principals are loaded all the same."""
    before = gateway._parts.desk.active.digest
    write(place, PERMISSIVE)
    (place / "principals.yaml").write_text("principals: []\n")
    for _ in range(2):
        told = await gateway.reload()
        assert told["policy"] == before == gateway._parts.desk.active.digest
        assert told["held"] == ["removed forbid no-drop (lets more pass)"]
    assert gateway._parts.directory.principals() == ()
    assert [event["via"] for event in await events(gateway, "policy.held")] == ["signal"]
    loaded = (await events(gateway, "settings.loaded"))[-1]
    assert loaded["policy"] == before
    assert loaded["policy_held"] == told_digest(gateway)


def told_digest(gateway: Gateway) -> str:
    """The digest of what was held last."""
    return next(one.digest for one in gateway._parts.versions.history(9) if one.held)


async def test_a_restart_does_not_loosen_either(place: Path) -> None:
    """Files that loosen wait while the last version rules, whose text the state kept."""
    first = await started(place)
    before = first._parts.desk.active.digest
    await first.stop()
    write(place, PERMISSIVE)
    for _ in range(2):
        again = await started(place)
        assert again._parts.desk.active.digest == before
        assert len(await events(again, "policy.held")) == 1
        await again.stop()
    write(place, PERMISSIVE, NO_DROP)
    restored = await started(place)
    assert restored._parts.desk.active.digest == before
    assert len(await events(restored, "policy.activated")) == 1
    await restored.stop()


async def test_one_person_may_where_the_settings_say_so_and_it_shows(place: Path) -> None:
    """The event says that one person alone was enough, and why it loosens."""
    settle_on(place, single_person=True)
    gateway = await started(place)
    write(place, PERMISSIVE)
    done = await apply(gateway)
    assert done["policy"] == gateway._parts.desk.active.digest != done["before"]
    event = (await events(gateway, "policy.activated"))[-1]
    assert event["single_person"] is True
    assert event["loosens"] == ["removed forbid no-drop (lets more pass)"]
    assert (await events(gateway, "settings.loaded"))[-1]["single_person"] is True
    await gateway.stop()


async def test_a_last_version_that_no_longer_loads_fails_closed(place: Path) -> None:
    """A newer gatekeep may not know an old fact: then nobody can tell what would be loosened."""
    gateway = await started(place)
    state = gateway._parts.state
    row = state.activate_policy(
        "d" * 64, {"a.cedar": '@id("x") permit (principal, action, rsrc);'}, {}
    )
    state.settle(row.id)
    await gateway.stop()
    with pytest.raises(SettingsError, match="no longer loads") as told:
        await started(place)
    assert told.value.key == "policy.single_person"
    settle_on(place, single_person=True)
    again = await started(place)
    assert (await events(again, "policy.activated"))[-1]["before"] == "d" * 64
    await again.stop()


async def test_a_failing_case_keeps_the_version_before(gateway: Gateway, place: Path) -> None:
    """The cases beside the rules must hold: the error names the case and where the rule stands."""
    before = gateway._parts.desk.active.digest
    (place / "policy" / "cases" / "c.yaml").write_text(yaml.safe_dump(CASES))
    write(place, PERMISSIVE, NO_DROP.replace("DROP", "TRUNCATE"))
    for attempt in (apply(gateway), gateway.reload()):
        with pytest.raises(SettingsError) as told:
            await attempt
        assert told.value.file.endswith("cases/c.yaml")
        assert told.value.key == "case orders/a drop"
        assert "expected deny, got allow (rule test-all-sql, " in told.value.public
        assert "rules.cedar:6)" in told.value.public
    assert gateway._parts.desk.active.digest == before
    assert len(await events(gateway, "policy.activated")) == 1
    write(place, PERMISSIVE, NO_DROP, NO_DROP.replace("no-drop", "no-drop-2"))
    assert (await apply(gateway))["cases"] == 1


async def test_a_fault_in_a_file_names_file_line_and_rule(gateway: Gateway, place: Path) -> None:
    """Nothing changes, nothing is recorded as active."""
    write(place, PERMISSIVE, NO_DROP, NO_DROP.replace("no-drop", "typo").replace("verb", "verbb"))
    with pytest.raises(SettingsError, match=r"rules\.cedar:\d+: rule typo: "):
        await apply(gateway)
    assert len(gateway._parts.versions.history(10)) == 1


@pytest.mark.parametrize("fault", ["append", "sync"])
async def test_without_a_receipt_nothing_comes_into_force(
    gateway: Gateway, place: Path, fault: str
) -> None:
    """The journal takes no event: the version before rules, and no wish waits in the outbox."""
    parts = gateway._parts
    broken = JournalUnavailable("no space")
    journal = (
        FakeJournal(break_append_at=0) if fault == "append" else FakeJournal(broken_sync=broken)
    )
    settings = load_settings(place / "gatekeep.yaml", {})
    versions = PolicyVersions(settings, parts.state, journal, parts.offload, parts.desk)
    before = parts.desk.active.digest
    for rules in ((PERMISSIVE, NO_DROP, NO_DROP.replace("no-drop", "no-drop-2")), (PERMISSIVE,)):
        write(place, *rules)
        with pytest.raises(JournalUnavailable):
            await versions.apply(CAROL)
        assert parts.desk.active.digest == before
        assert parts.state.pending() == []
        assert len(versions.history(10)) == 1


async def test_who_hangs_up_does_not_leave_half_a_version(gateway: Gateway, place: Path) -> None:
    """An apply whose caller is gone goes on to its end: state, journal and desk agree."""
    write(place, PERMISSIVE, NO_DROP, NO_DROP.replace("no-drop", "no-drop-2"))
    caller = asyncio.ensure_future(apply(gateway))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    done = await apply(gateway)  # waits for the one before
    active = gateway._parts.state.active_policy()
    assert active is not None
    assert active.digest == done["policy"] == done["before"] == gateway._parts.desk.active.digest
    assert len(await events(gateway, "policy.activated")) == 2


async def test_adopted_rules_belong_to_every_version(gateway: Gateway, place: Path) -> None:
    """What was accepted on the gateway is loaded with the files, and is part of the version."""
    layer = place / "state" / "policy"
    layer.mkdir()
    (layer / "adopted.cedar").write_text(NO_DROP.replace("no-drop", "adopted"))
    assert (await apply(gateway))["added"] == ["adopted"]
    (version,) = gateway._parts.versions.named("active")
    assert sorted(version.texts) == ["adopted.cedar", "rules.cedar"]
    assert gateway._parts.versions.named(version.digest[:7]) == [version]
