"""Every spelling of a destination lands on the same place, as the operating system's resolver sees it."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatekeep.protocols.ssh.destinations import (
    Destination,
    forbidden,
    normalise,
    read_address,
    same_place,
    socket_tags,
)


def spellings(address: ipaddress.IPv4Address) -> list[str]:
    """Ways to write an IPv4 address."""
    a, b, c, d = address.packed
    whole = int(address)
    return [
        f"{a}.{b}.{c}.{d}", f"0x{a:x}.{b}.0{c:o}.{d}", f"{a}.{b}.{(c << 8) | d}",
        f"{a}.{(b << 16) | (c << 8) | d}", str(whole), f"0x{whole:X}", f"0{whole:o}",
        f"::ffff:{a}.{b}.{c}.{d}", f"[::ffff:{a}.{b}.{c}.{d}]", f"::FFFF:{whole >> 16:x}:{whole & 0xFFFF:x}",
        f"64:ff9b::{a}.{b}.{c}.{d}", f" {a}.{b}.{c}.{d} ", f"{a}.{b}.{c}.{d}.",
    ]  # fmt: skip


@given(st.ip_addresses(v=4))
def test_every_spelling_of_an_address_is_that_address(address: ipaddress.IPv4Address) -> None:
    """Octal, hexadecimal, fewer parts, mapped, translated: one destination."""
    assert {normalise(one) for one in spellings(address)} == {Destination(str(address), address)}


@given(st.from_regex(r"(0[xX][0-9a-f]{0,9}|[0-9]{0,11})(\.(0[xX][0-9a-f]{0,5}|[0-9]{1,6})){0,4}", fullmatch=True))
def test_what_the_resolver_takes_for_an_address_we_do(text: str) -> None:
    """A spelling that only the resolver knows would be a way around every rule over addresses."""
    try:
        found = socket.getaddrinfo(text, 1, socket.AF_INET, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return
    if text:
        assert read_address(text) == ipaddress.ip_address(found[0][4][0])


@pytest.mark.parametrize("text", ["１69.254.169.254", "169。254。169。254", "169．254．169．254"])  # noqa: RUF001 - that is the attack
def test_digits_and_dots_of_other_scripts_are_an_address(text: str) -> None:
    """Resolvers take them for one, after mapping them to ASCII."""
    found = normalise(text)
    assert found is not None
    assert found.address == ipaddress.ip_address("169.254.169.254")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("DB.Example.", "db.example"), ("db.example..", "db.example"), ("bücher.example", "xn--bcher-kva.example"),
        ("[::1]", "0:0:0:0:0:0:0:1"), ("fe80::1%eth0", "fe80::1"), ("LOCALHOST", "localhost"),
    ],
)  # fmt: skip
def test_names_and_zones_have_one_form(one: str, other: str) -> None:
    """Case, final dots, Unicode and zones make no difference."""
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize("text", ["", " ", "a b", "a/b", "x" * 256, "a\nb", "-", "a..b", "a,b", "*", "::g"])
def test_what_names_nothing_is_nothing(text: str) -> None:
    """Refused before anything is looked up."""
    assert normalise(text) is None


@pytest.mark.parametrize(
    "text", ["localhost", "x.localhost", "127.1", "0", "::", "::1", "127.255.255.254", "0x7f000001"]
)
def test_loopback_is_known_in_all_its_spellings(text: str) -> None:
    """It is whoever dials."""
    found = normalise(text)
    assert found is not None
    assert found.loopback


@pytest.mark.parametrize(
    "text",
    ["169.254.169.254", "0xa9fea9fe", "::ffff:169.254.169.254", "fe80::1", "224.0.0.1", "ff02::1",
     "255.255.255.255", "fd00:ec2::254", "2002:a9fe:a9fe::1", "0.1.2.3", "240.0.0.1", "fec0::1",
     "2001::1", "64:ff9b:1::1"],
)  # fmt: skip
def test_some_addresses_are_never_reached(text: str) -> None:
    """Metadata services, link-local, multicast: no rule lifts that."""
    address = read_address(text)
    assert address is not None
    assert forbidden(address)


def test_ordinary_addresses_may_be_reached() -> None:
    """What remains is the policy's."""
    assert not forbidden(ipaddress.ip_address("10.1.2.3"))
    assert not forbidden(ipaddress.ip_address("2001:db8::1"))


def test_a_place_is_known_by_name_and_by_address() -> None:
    """Another name that leads to its address is the same place."""
    ten = ipaddress.ip_address("10.0.0.1")
    alias, other = normalise("alias.example"), normalise("10.0.0.2")
    assert alias is not None
    assert other is not None
    assert same_place(alias, [ten], "db.example", [ten])
    assert same_place(Destination("db.example"), [], "db.example", [])
    assert same_place(Destination("::ffff:a00:1", ipaddress.ip_address("::ffff:10.0.0.1")), [], "db", [ten])
    assert not same_place(other, [], "db.example", [ten])


def test_sockets_of_container_engines_are_a_privilege() -> None:
    """Who speaks to them is root."""
    assert socket_tags("/var/run/docker.sock") == {"privilege"}
    assert socket_tags("/run/containerd/containerd.sock/") == {"privilege"}
    assert socket_tags("/tmp/agent.sock") == frozenset()  # noqa: S108 - a name, no file


@given(st.text(max_size=300))
def test_no_text_breaks_it(text: str) -> None:
    """Whatever a client sends: a destination or none."""
    normalise(text)
