"""Tunnels cannot reach a registered target, the gateway or a cloud's metadata under any spelling."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import replace

import pytest
from support.clock import MovedClock

from gatekeep.domain.commands import TunnelFacts
from gatekeep.domain.targets import Target, TargetKind
from gatekeep.protocols.ssh.destinations import Address
from gatekeep.proxies.ssh.leads import Lead, Leads, is_own

WEB = Target("web-1", TargetKind.SSH, "web.example", 22)
ORDERS = Target("orders", TargetKind.POSTGRES, "db.example", 5432)
SIDE = Target("side", TargetKind.POSTGRES, "web.example", 5433)
NAMES = {
    "web.example": ["10.0.0.1"], "db.example": ["10.0.0.2"], "alias.example": ["10.0.0.2"],
    "app.example": ["10.0.0.9"], "metadata.example": ["169.254.169.254"], "self.example": ["10.0.0.77"],
    "two.example": ["10.0.0.9", "10.0.0.2"],
}  # fmt: skip


class Book:
    """Three targets."""

    def target(self, name: str) -> Target | None:
        """By name."""
        return next((one for one in self.targets() if one.name == name), None)

    def targets(self) -> list[Target]:
        """All of them."""
        return [WEB, ORDERS, SIDE]

    def secret(self, reference: str) -> str:
        """None is needed."""
        raise AssertionError(reference)


class Names:
    """A resolver that counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.table = dict(NAMES)

    async def __call__(self, name: str) -> Sequence[Address]:
        """Look it up."""
        self.asked.append(name)
        if name not in self.table:
            raise OSError(name)
        return [ipaddress.ip_address(one) for one in self.table[name]]


def leads(names: Names | None = None, clock: MovedClock | None = None) -> Leads:
    """A judge over the table; 10.0.0.77 is this machine."""
    return Leads(
        Book(), clock or MovedClock(), names or Names(), lambda one: str(one) == "10.0.0.77"
    )


@pytest.mark.parametrize(
    "written",
    [
        "orders", "db.example", "DB.EXAMPLE.", "alias.example", "two.example", "10.0.0.2", "10.2",
        "167772162", "0xa000002", "012.0.0.02", "::ffff:10.0.0.2", "[::ffff:a00:2]", "64:ff9b::a00:2",
        "::a00:2",
    ],
)  # fmt: skip
async def test_every_way_to_a_database_is_refused_with_the_recorded_one(written: str) -> None:
    """Name, alias, address, other spellings, any port."""
    for port in (5432, 80):
        refused = await leads().judge(WEB, written, port)
        assert isinstance(refused, tuple)
        assert "tunnels to databases are not recorded" in refused[0]
        assert "dbname=orders" in refused[0]


@pytest.mark.parametrize("written", ["web-1", "web.example", "10.0.0.1", "10.1"])
async def test_another_way_to_an_ssh_target_is_refused(written: str) -> None:
    """It has a door of its own."""
    refused = await leads().judge(replace(WEB, name="other", host="other.example"), written, 2022)
    assert isinstance(refused, tuple)
    assert "web-1" in refused[0] or "side" in refused[0]


@pytest.mark.parametrize(
    "written", ["169.254.169.254", "metadata.example", "0xA9FEA9FE", "224.0.0.1", "fe80::1", "self.example", "10.0.0.77"]
)  # fmt: skip
async def test_some_places_are_never_reached(written: str) -> None:
    """No rule lifts that: metadata, link-local, multicast, the gateway itself."""
    refused = await leads().judge(WEB, written, 80)
    assert isinstance(refused, tuple)
    assert refused[0].startswith("gatekeep: no tunnel leads to")


async def test_a_name_is_looked_up_once_and_the_address_is_dialled() -> None:
    """A name that answers otherwise the second time changes nothing: what was judged is dialled."""
    names = Names()
    judge = leads(names)
    lead = await judge.judge(WEB, "App.Example.", 8080)
    assert isinstance(lead, Lead)
    names.table["app.example"] = ["10.0.0.2"]
    assert (lead.dial, lead.port) == ("10.0.0.9", 8080)
    (facts,) = lead.action.facts
    assert facts == TunnelFacts("tunnel.open", "app.example", 8080, "10.0.0.9", "gateway")
    await judge.judge(WEB, "app.example", 8080)
    assert names.asked.count("app.example") == 1


async def test_what_only_the_target_knows_is_left_to_it_and_said_so() -> None:
    """No address: only rules over names can permit it."""
    lead = await leads().judge(WEB, "inside.only", 80)
    assert isinstance(lead, Lead)
    assert lead.dial == "inside.only"
    assert lead.action.facts == (TunnelFacts("tunnel.open", "inside.only", 80, "", "target"),)


@pytest.mark.parametrize("written", ["localhost", "127.0.0.1", "127.1", "::1", "0.0.0.0"])  # noqa: S104 - refused
async def test_loopback_is_the_targets_own_but_for_registered_doors(written: str) -> None:
    """What runs beside on that machine may be permitted; a registered target there may not."""
    lead = await leads().judge(WEB, written, 8080)
    assert isinstance(lead, Lead)
    for port, words in ((5433, "dbname=side"), (22, "web-1 is a target of its own")):
        refused = await leads().judge(WEB, written, port)
        assert isinstance(refused, tuple)
        assert words in refused[0]


@pytest.mark.parametrize(("written", "port"), [("", 80), ("a b", 80), ("x", 70000), ("a/b", 1)])
async def test_what_is_no_destination_is_said_so(written: str, port: int) -> None:
    """Before anything is looked up."""
    refused = await leads().judge(WEB, written, port)
    assert isinstance(refused, tuple)
    assert "is no destination" in refused[0]


async def test_sockets_are_destinations_with_their_tags() -> None:
    """A container engine's is a privilege; which ones may be reached is the policy's."""
    lead = await leads().judge(WEB, "/var/run/docker.sock", 0)
    assert isinstance(lead, Lead)
    assert lead.action.facts[0].tags == {"privilege"}


async def test_a_jump_finds_its_target_by_name_or_address() -> None:
    """As the client's own configuration spells it."""
    judge = leads()
    for written in ("web-1", "web.example", "10.0.0.1"):
        found = await judge.registered(written)
        assert found is not None
        assert found.name == "web-1"
    assert await judge.registered("app.example") is None


def test_this_machines_addresses_are_known() -> None:
    """Loopback is; an address of documentation is not."""
    assert is_own(ipaddress.ip_address("127.0.0.5"))
    assert not is_own(ipaddress.ip_address("192.0.2.1"))
