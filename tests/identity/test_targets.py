"""targets.yaml: what is read from it, and one readable error for each wrong input."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from asyncssh import generate_private_key
from support.certificates import Authority

from gatekeep.documents import everything
from gatekeep.domain.targets import Account, TargetKind, TargetTls
from gatekeep.errors import SettingsError
from gatekeep.identity.secrets import SecretReader
from gatekeep.identity.targets import FileTargetBook, load_targets

EXAMPLE = Path(__file__).parents[2] / "config" / "targets.yaml"
SECRETS = SecretReader({"PW": "hunter2", "ORDERS_APP_RO": "a", "ORDERS_APP_RW": "b"})


def written(tmp_path: Path, text: str) -> Path:
    """A targets file with this text."""
    file = tmp_path / "targets.yaml"
    file.write_text(text)
    return file


def one(extra: str, *, accounts: str = "{app: 'env:PW'}") -> str:
    """A file with one target, right but for `extra`."""
    return f"targets: [{{name: orders, kind: postgres, host: db, accounts: {accounts}{extra}}}]"


def test_defaults_follow_the_kind(tmp_path: Path) -> None:
    """Little has to be written."""
    file = written(
        tmp_path,
        "targets:\n- {name: orders, kind: postgres, host: db, accounts: {app: 'env:PW'}}\n"
        "- {name: web-1, kind: ssh, host: 10.0.0.1, accounts: {deploy: 'env:PW'},"
        " host_key: first_use}\n",
    )
    orders, web = load_targets(file, SECRETS)
    assert (orders.kind, orders.port, orders.tls, orders.auth) == (
        TargetKind.POSTGRES,
        5432,
        TargetTls.PREFER,
        "scram",
    )
    assert orders.accounts == {"app": Account("app", "env:PW")}
    assert (web.kind, web.port) == (TargetKind.SSH, 22)


def test_the_example_works_with_and_without_its_comment_signs(tmp_path: Path) -> None:
    """config/targets.yaml is right as it is, and so is what it shows, with every key in it."""
    assert load_targets(EXAMPLE, SECRETS) == ()
    opened = re.sub(r"^#(?=  )", "", EXAMPLE.read_text(), flags=re.MULTILINE)
    shown = Authority(tmp_path).issue("app_web", hosts=())
    secrets = SecretReader(
        {
            "ORDERS_APP_RO": "a", "ORDERS_APP_RW": "b", "APP_WEB": "c",
            "APP_WEB_CERTIFICATE": shown.certificate.read_text(),
            "APP_WEB_KEY": shown.key.read_text(), "WEB_LEGACY": "d",
            "WEB_DEPLOY_KEY": generate_private_key("ssh-ed25519").export_private_key().decode(),
        }
    )  # fmt: skip
    (orders, web) = load_targets(written(tmp_path, opened), secrets)
    assert orders.owner == "data-platform"
    assert orders.accounts["app_web"].key == "env:APP_WEB_KEY"
    assert (orders.direct_tls, orders.channel_binding) == (False, False)
    assert orders.labels == {"shop", "pii"}
    assert set(orders.accounts) == {"app_ro", "app_rw", "app_web"}
    assert set(web.accounts) == {"deploy", "legacy", "ops"}


BAD = [
    (one("").replace("postgres", "mysql"), "kind", "one of postgres, ssh", "use one of"),
    (one("").replace("postgres", "postgress"), "kind", "one of postgres, ssh", "postgres?"),
    (one(", port: 0"), "port", "greater than or equal to 1", "docs"),
    (one(", port: '5432'"), "port", "whole number", "without quotes"),
    (one(", port: 99999"), "port", "less than or equal to 65535", "docs"),
    (one(", hots: x"), "hots", "not a known key", "host?"),
    (one("").replace("host: db", "host: 'db port=1'"), "host", "match", "docs"),
    (one("").replace(", host: db", ""), "host", "is missing", "add host"),
    (one(", tls: verify"), "tls", "one of disable", "verify-ca"),
    (one(", auth: password"), "auth", "in clear", "verify-full"),
    (one(", auth: password, tls: require"), "auth", "in clear", "verify-full"),
    (one(", tls_ca: none.pem, tls: verify-full"), "tls_ca", "cannot be read", "PEM"),
    (one(", tls_ca: targets.yaml"), "tls_ca", "not looked at", "verify-full"),
    (one(", tls_ca: targets.yaml, tls: verify-ca"), "tls_ca", "holds no certificate", "PEM"),
    (one(", tls_negotiation: now"), "tls_negotiation", "one of postgres, direct", "use one of"),
    (one(", tls_negotiation: direct"), "tls_negotiation", "needs TLS", "verify-full"),
    (one(", channel_binding: require"), "channel_binding", "needs TLS", "verify-full"),
    (one(", channel_binding: require, auth: md5, tls: require"), "channel_binding", "md5", "scram"),
    (one(", auth: certificate, tls: verify-ca"), "auth", "who answers", "verify-full"),
    (one(", auth: certificate, tls: verify-full"), "accounts.app", "no certificate", "key:"),
    (one("", accounts="{app: {}}"), "accounts.app", "no password", "password:"),
    (one("", accounts="{app: [x]}"), "accounts.app", "must be text", "quotes"),
    (one("", accounts="{app: {pasword: 'env:PW'}}"), "accounts.app.pasword", "known", "password?"),
    (one(", tls: require", accounts="{app: {password: 'env:PW', key: 'env:K'}}"),
     "accounts.app", "has no certificate", "together"),
    (one("", accounts="{app: {password: 'env:PW', key: 'env:PW', certificate: 'env:PW'}}"),
     "accounts.app", "never show", "verify-full"),
    (one("", accounts="{}"), "accounts", "at least 1", "docs"),
    (one("", accounts="{app: 'env:NONE'}"), "accounts.app", "NONE is not set", "set NONE"),
    (one("", accounts="{app: 'file:/no/such'}"), "accounts.app", "cannot be read", "0600"),
    (one("", accounts="{app: swordfish}"), "accounts.app", "not a secret reference", "env:NAME"),
    (one("", accounts="{'a/b': 'env:PW'}"), "accounts.a/b", "match", "docs"),
    (one("", accounts="swordfish"), "accounts", "block of keys", "indented"),
    (one("", accounts="{app: 77}"), "accounts.app", "must be text", "quotes"),
]


@pytest.mark.parametrize(("text", "key", "what", "fix"), BAD)
def test_a_wrong_file_names_file_key_and_fix(
    tmp_path: Path, text: str, key: str, what: str, fix: str
) -> None:
    """One SettingsError, never a traceback of the parser and never a secret."""
    file = written(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load_targets(file, SECRETS)
    error = caught.value
    assert (error.file, error.key) == (str(file), f"targets[0].{key}")
    assert what in str(error)
    assert fix in error.fix
    assert "swordfish" not in str(error) + error.fix


def test_a_certificate_is_tried_when_the_file_is_read(tmp_path: Path) -> None:
    """Its key must be its own, readable, and its owner's alone; no error shows any of it."""
    authority = Authority(tmp_path)
    ours, other = (authority.issue(name, hosts=()) for name in ("ours", "other"))

    def load(certificate: Path, key: Path) -> str:
        accounts = f"{{app: {{certificate: 'file:{certificate}', key: 'file:{key}'}}}}"
        text = one(", auth: certificate, tls: verify-full", accounts=accounts)
        try:
            (target,) = load_targets(written(tmp_path, text), SECRETS)
        except SettingsError as error:
            return f"{error} {error.fix}".partition(".accounts.app.")[2]
        return repr(target.accounts["app"])

    ours.certificate.chmod(0o600)
    right = repr(Account("app", "", f"file:{ours.certificate}", f"file:{ours.key}"))
    assert load(ours.certificate, ours.key) == right
    assert load(ours.certificate, other.key).startswith("key: is not the key of the certificate")
    assert load(ours.key, ours.key).startswith("certificate: holds no certificate")
    assert load(ours.certificate, ours.certificate).startswith("key: holds no key")
    assert load(tmp_path / "none", ours.key).startswith("certificate: ")
    ours.key.chmod(0o640)
    told = load(ours.certificate, ours.key)
    assert told == f"key: {ours.key} can be read by others than its owner chmod 600 {ours.key}"


def test_what_is_demanded_of_a_target_is_read(tmp_path: Path) -> None:
    """Direct TLS and channel binding."""
    text = one(", tls: require, tls_negotiation: direct, channel_binding: require")
    (target,) = load_targets(written(tmp_path, text), SECRETS)
    assert (target.direct_tls, target.channel_binding) == (True, True)


def test_each_unreadable_secret_is_named(tmp_path: Path) -> None:
    """All accounts are tried, and names used twice are found beside."""
    file = written(
        tmp_path,
        "targets:\n- {name: a, kind: ssh, host: h, host_key: first_use,"
        " accounts: {x: 'env:N1', y: 'env:N2'}}\n"
        "- {name: a, kind: ssh, host: h, host_key: first_use, accounts: {x: 'env:PW'}}\n",
    )
    with pytest.raises(SettingsError) as caught:
        load_targets(file, SECRETS)
    assert [error.key for error in everything(caught.value)] == [
        "targets[0].accounts.x",
        "targets[0].accounts.y",
        "targets[1].name",
    ]


def test_the_book_answers_by_name_and_swaps_all_at_once(tmp_path: Path) -> None:
    """After a reload nothing of the old file is left; secrets are read through the book."""
    first = load_targets(written(tmp_path, one("")), SECRETS)
    book = FileTargetBook(first, SECRETS)
    assert book.target("orders") == first[0]
    assert book.target("none") is None
    assert book.secret("env:PW") == "hunter2"
    second = load_targets(written(tmp_path, one("").replace("orders", "zoo")), SECRETS)
    book.reload((*second, *first))
    assert [target.name for target in book.targets()] == ["orders", "zoo"]
    book.reload(second)
    assert book.target("orders") is None
