"""No planted secret is left in a line, and lines without one stay as they are."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatekeep.protocols.ssh.commands.command import read_command
from gatekeep.protocols.ssh.commands.secrets import MASK, redact_command

_PLACES = [
    "mysql -uroot -p{} db", "mysql -u root --password={}", "mysqldump -h x -p{} a | gzip > b", "MYSQL_PWD={} mysql",
    "PGPASSWORD={} psql -h x", "export PGPASSWORD={}", "env PGPASSWORD={} psql", "curl -u bob:{} https://x", "curl -ubob:{} https://x",
    "curl --user bob:x --proxy-password {} y", "curl -H 'Authorization: Bearer {}' x", 'curl -H "X-Api-Key: {}" x', "curl -H 'Cookie: a={}' x",
    "git clone https://bob:{}@h/x", "psql postgres://bob:{}@h/x", "sshpass -p {} ssh x", "sshpass -p{} ssh x",
    "AWS_SECRET_ACCESS_KEY={} aws s3 ls", "aws configure set aws_secret_access_key {}", "redis-cli -h x -a {} ping", "docker login -u x -p {} r",
    "docker login --password {} r", "tool --token {} run", "tool --api-key={} run", "tool --client-secret {}", "vault login {}",
    "echo {} | sudo -S ls", "echo root:{} | chpasswd", "printf {} | docker login -u x --password-stdin", "chpasswd <<< {}",
    "openssl enc -pass pass:{}", "ldapsearch -x -D x -w {} -b y", "zip -P {} a b", "7z x -p{} a", "useradd -p {} bob", "sqlplus scott/{}@db",
    "kubectl create secret generic x --from-literal=a={}", "htpasswd -b file bob {}", "curl -d 'password={}' x", "ssh h PGPASSWORD={} psql",
    "DB_PASSWORD={}; export DB_PASSWORD", "export API_TOKEN={} X=1", "mount -o username=x,password={} //a /b", "snmpwalk -v2c -c {} h",
]  # fmt: skip
_QUOTED_PLACES = [
    "psql -c \"ALTER ROLE x PASSWORD '{}'\"", "mysql -e \"CREATE USER x IDENTIFIED BY '{}'\"", "curl -d '{{\"password\": \"{}\"}}' x",
    'curl -d "{{\\"token\\":\\"{}\\"}}" x', "bash -c \"mysql -p'{}' db\"", "ssh h \"PGPASSWORD='{}' psql\"", "PGPASSWORD='{}' psql",
    'PGPASSWORD="{}" psql', "mysql -p'{}' x", 'mysql -p"{}" x', "sshpass -p '{}' ssh x", "sudo bash -c \"echo '{}' | passwd --stdin bob\"",
    'tool --password "{}"', "tool --password='{}'", "curl -u 'bob:{}' x", "psql \"host=a password='{}' user=b\"",
]  # fmt: skip
_SECRET = st.text("abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789_.-+^,", min_size=8, max_size=24).map(
    lambda text: "Zq7" + text.strip("-") + "7qZ"
)
_SPACED = st.text("abc XYZ 019 ;|&<>()#*!?/@%:", min_size=4, max_size=24).map(lambda text: f"Zq7{text}7qZ")


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(_PLACES + _QUOTED_PLACES), _SECRET)
def test_no_planted_secret_is_left(place: str, secret: str) -> None:
    """Whatever the secret looks like, where it stands tells that it is one."""
    redacted = read_command(place.format(secret)).redacted
    assert secret not in redacted
    assert "7qZ" not in redacted
    assert MASK in redacted


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(_QUOTED_PLACES), _SPACED)
def test_quotes_are_no_hiding_place(place: str, secret: str) -> None:
    """With blanks and signs of the shell in it, in quotes and in quotes in quotes."""
    assert "7qZ" not in redact_command(place.format(secret))


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("PGPASSWORD=hunter2 psql -h db", "PGPASSWORD=*** psql -h db"),
        ("mysql -uroot -phunter2 -e 'select 1'", "mysql -uroot -p*** -e 'select 1'"),
        ("curl https://bob:hunter2@x/y", "curl https://bob:***@x/y"),
        ("aws s3 ls AKIAABCDEFGHIJKLMNOP", "aws s3 ls AKIA***"),
        ("export GH=ghp_abcdefghijklmnopqrstuvwxyz0123456789", "export GH=ghp_***"),
        ("mysql -p; mkdir -p /srv/a", "mysql -p; mkdir -p /srv/a"),
        ("mkdir -p /srv/a && cp -a x y", "mkdir -p /srv/a && cp -a x y"),
        ("ls -la /var/log", "ls -la /var/log"),
        ("cat /etc/passwd", "cat /etc/passwd"),
        ("ssh -p 2222 db1", "ssh -p 2222 db1"),
        ("grep password /srv/a", "grep password /srv/a"),
    ],
)
def test_the_rest_stays_readable(text: str, redacted: str) -> None:
    """What is masked is the secret, not the line."""
    assert redact_command(text) == redacted


@given(st.text(max_size=300))
def test_any_text_can_be_redacted_twice(text: str) -> None:
    """Nothing raises, and a masked line has nothing more to mask but its masks."""
    once = redact_command(text)
    assert isinstance(redact_command(once), str)


@pytest.mark.parametrize(
    "unit", ["password", "mysql curl ", "mysql -p'", "://a:", "echo a|su ", "secret.", "token-", '\\"', "x=\\", "-----BEGIN PRIVATE KEY-----"]
)
def test_no_text_makes_it_slow(unit: str) -> None:
    """Each search is bounded: 100 kB of the worst that we know takes no more than a moment."""
    text = unit * (100_000 // len(unit))
    began = time.process_time()
    redact_command(text)
    assert time.process_time() - began < 8
