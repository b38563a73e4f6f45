"""Settings: file, environment, and one readable error for each wrong input."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatekeep.documents import everything
from gatekeep.errors import SettingsError
from gatekeep.settings import PostgresDoor, Settings, load_settings


def written(tmp_path: Path, text: str) -> Path:
    """A settings file with this text."""
    file = tmp_path / "gatekeep.yaml"
    file.write_text(text)
    return file


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    """Nothing has to be set; the other files are looked for beside the settings."""
    settings = load_settings(written(tmp_path, ""), {})
    assert settings.postgres.port == 6432
    assert settings.postgres.tls_mode == "off"
    assert settings.targets == tmp_path / "targets.yaml"
    assert settings.policy.dir == tmp_path / "policy"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    """Each kind of value can be given by a variable, and one variable leaves its neighbours alone."""
    file = written(tmp_path, "postgres: {port: 1, unauthenticated_total: 4}\npolicy: {dir: rules}\n")
    settings = load_settings(
        file,
        {
            "GATEKEEP_POSTGRES__PORT": "7000",
            "GATEKEEP_DRAIN_S": "2.5",
            "GATEKEEP_POLICY__SINGLE_PERSON": "true",
            "GATEKEEP_HTTP__ALLOWED_HOSTS": "gw.example, gw2.example",
            "GATEKEEP_POSTGRES__PROXY_FROM": "192.0.2.7, 2001:db8::/32",
            "GATEKEEP_HTTP__ALLOWED_ORIGINS": '["https://gw.example"]',
            "GATEKEEP_STATE_DIR": str(tmp_path / "elsewhere"),
            "GATEKEEP_LOG__FORMAT": "console",
            "PATH": "/usr/bin",
        },
    )
    assert (settings.postgres.port, settings.postgres.unauthenticated_total) == (7000, 4)
    assert settings.postgres.proxy_from == ("192.0.2.7/32", "2001:db8::/32")
    assert settings.drain_s == 2.5
    assert settings.policy.single_person is True
    assert settings.policy.dir == tmp_path / "rules"
    assert settings.http.allowed_hosts == ("gw.example", "gw2.example")
    assert settings.http.allowed_origins == ("https://gw.example",)
    assert settings.state_dir == tmp_path / "elsewhere"
    assert settings.log.format == "console"


def test_settings_made_in_code_do_not_read_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What a test or the demo builds is what it gets."""
    monkeypatch.setenv("GATEKEEP_DRAIN_S", "1")
    monkeypatch.setenv("DRAIN_S", "1")
    settings = Settings(state_dir=tmp_path, postgres=PostgresDoor(port=0))
    assert settings.drain_s == 30
    assert settings.postgres.port == 0


def test_group_with_all_lines_commented_out_is_empty(tmp_path: Path) -> None:
    """`http:` without lines below is no error."""
    assert load_settings(written(tmp_path, "http:\n"), {}).http.port == 8080


def test_off_is_a_word(tmp_path: Path) -> None:
    """YAML 1.1 would read `off` as false; here only true and false are booleans."""
    settings = load_settings(written(tmp_path, "postgres: {tls: off}\nhttp: {metrics: off}"), {})
    assert (settings.postgres.tls, settings.http.metrics) == ("off", "off")
    assert load_settings(
        written(tmp_path, "policy: {single_person: true}"), {}
    ).policy.single_person


def test_a_secret_in_place_of_a_reference_is_not_repeated(tmp_path: Path) -> None:
    """Whoever pastes the token itself does not find it in diagnostics."""
    with pytest.raises(SettingsError) as caught:
        load_settings(written(tmp_path, "slack: {bot_token: xoxb-hunter2}"), {})
    assert caught.value.key == "slack.bot_token"
    assert "hunter2" not in str(caught.value) + caught.value.fix


BAD = [
    ("drain: 3", "drain", "is not a known key", "did you mean drain_s?"),
    ("postgres: {prot: 1}", "postgres.prot", "is not a known key", "did you mean port?"),
    ("postgres: {zzz: 1}", "postgres.zzz", "is not a known key", "use one of: certificate"),
    ("postgres: {port: '6432'}", "postgres.port", "whole number", "without quotes"),
    ("postgres: {port: yes}", "postgres.port", "whole number", "without quotes"),
    ("postgres: {port: 70000}", "postgres.port", "less than or equal to 65535", "docs/settings"),
    ("postgres: 5", "postgres", "block of keys", "indented"),
    ("postgres: {tls: requir}", "postgres.tls", "one of require, prefer, off", "require?"),
    (
        "postgres: {proxy_from: [192.0.2.7/24]}", "postgres.proxy_from[0]", "is no network",
        "such as 192.0.2.0/24",
    ),
    ("postgres: {proxy_from: 192.0.2.7}", "postgres.proxy_from", "must be", ""),
    ("postgres: {host: 3}", "postgres.host", "must be text", "quotes"),
    ("journal: {deadline_s: soon}", "journal.deadline_s", "must be a number", "number"),
    ("journal: {deadline_s: 0}", "journal.deadline_s", "greater than 0", "docs/settings"),
    ("journal: {origin: 'a b'}", "journal.origin", "pattern", "docs/settings"),
    ("http: {allowed_hosts: gw}", "http.allowed_hosts", "must be", ""),
    ("policy: {single_person: 1}", "policy.single_person", "true or false", "true or false"),
    ("state_dir: 7", "state_dir", "must be a path", "path"),
    ("log: {level: loud}", "log.level", "one of debug, info", "use one of"),
    ("drain_s: 1\ndrain_s: 2", "line 2", 'key "drain_s" is written twice', "line"),
    ("a: [", "line 1", "not valid YAML", "indent"),
    ("- a", "", "must hold keys and values", "drain_s"),
    ("!!python/object:os.system {}", "line 1", "not valid YAML", "line"),
    ("postgres: {certificate: a.pem}", "postgres.key", "is missing", "together"),
    ("postgres: {tls: require}", "postgres.tls", "no certificate", "set postgres.certificate"),
    ("postgres: {host: 0.0.0.0}", "postgres.tls", "has no certificate", "127.0.0.1"),
    (
        "postgres: {host: 0.0.0.0, tls: off, certificate: c, key: k}",
        "postgres.tls",
        "is off",
        "require",
    ),
    ("policy: {single_person: yes}", "policy.single_person", "true or false", "true or false"),
    ("slack: {mode: socket, bot_token: 'env:B', app_token: 'env:A'}", "slack.team", "missing", "off"),
    ("slack: {mode: socket, team: T0123}", "slack.bot_token", "is missing", "mode is socket"),
    ("slack: {mode: http, team: T0123, bot_token: 'env:B'}", "slack.signing_secret", "missing", ""),
    ("slack: {channels: [dba=general]}", "slack.channels[0]", "no group and channel", "dba=C0"),
    ("slack: {api_url: 'http://198.51.100.7/'}", "slack.api_url", "not on this machine", "tests"),
    ("{state_dir: s, keys_dir: s/keys}", "keys_dir", "one backup", "of their own"),
]


@pytest.mark.parametrize(("text", "key", "what", "fix"), BAD)
def test_a_wrong_file_names_file_key_and_fix(
    tmp_path: Path, text: str, key: str, what: str, fix: str
) -> None:
    """One SettingsError, never a traceback of the parser."""
    file = written(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load_settings(file, {})
    error = caught.value
    assert (error.file, error.key) == (str(file), key)
    assert what in error.public or what in str(error)
    assert fix in error.fix
    assert error.fix
    assert "pydantic" not in str(error).lower()


@pytest.mark.parametrize(
    ("name", "value", "what", "fix"),
    [
        ("GATEKEEP_POSTGRES__PORT", "many", "whole number", "number"),
        ("GATEKEEP_POSTGRES__PROT", "1", "not a known variable", "GATEKEEP_POSTGRES__PORT?"),
        ("GATEKEEP_STATEDIR", "x", "not a known variable", "GATEKEEP_STATE_DIR?"),
        ("GATEKEEP_POLICY__SINGLE_PERSON", "perhaps", "true or false", "true or false"),
        ("GATEKEEP_HTTP__ALLOWED_HOSTS", "[1", "must be", ""),
    ],
)
def test_a_wrong_variable_is_named(
    tmp_path: Path, name: str, value: str, what: str, fix: str
) -> None:
    """The error names the variable and not a file that is right."""
    with pytest.raises(SettingsError) as caught:
        load_settings(written(tmp_path, ""), {name: value})
    error = caught.value
    assert (error.file, error.key) == ("environment", name)
    assert what in str(error)
    assert fix in error.fix


def test_variables_of_strangers_are_left_alone(tmp_path: Path) -> None:
    """Container platforms name variables after services; those are not slips of the pen."""
    strangers = {"GATEKEEP_SERVICE_HOST": "10.0.0.1", "GATEKEEP_PORT_6432_TCP": "tcp://10.0.0.1"}
    load_settings(written(tmp_path, ""), strangers)


def test_all_faults_of_a_file_are_found_at_once(tmp_path: Path) -> None:
    """The first is raised, the others hang at it."""
    file = written(tmp_path, "drain: 1\npostgres: {port: x}\nlog: {level: loud}\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(file, {})
    assert {error.key for error in everything(caught.value)} == {
        "drain",
        "postgres.port",
        "log.level",
    }


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A file that was asked for and is not there is an error, not a default."""
    with pytest.raises(SettingsError, match="cannot be read") as caught:
        load_settings(tmp_path / "none.yaml", {})
    assert caught.value.file.endswith("none.yaml")
    with pytest.raises(SettingsError):
        load_settings(None, {"GATEKEEP_CONFIG": str(tmp_path / "none.yaml")})


def test_control_characters_in_a_file_do_not_reach_the_terminal(tmp_path: Path) -> None:
    """An escape sequence in a key or value is shown, not run."""
    file = written(tmp_path, '"\\x1b[31mred": 1\nlog: {level: "\\x1b]52;c;x\\x07"}\n')
    with pytest.raises(SettingsError) as caught:
        load_settings(file, {})
    for error in everything(caught.value):
        assert "\x1b" not in str(error) + error.fix
