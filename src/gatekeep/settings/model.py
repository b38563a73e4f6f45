"""The settings as typed groups: names, meanings, limits, defaults. Reading them is `sources`' job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from gatekeep.documents import FilePath
from gatekeep.settings.feedback import FeedbackSettings
from gatekeep.settings.notices import MailSettings, WebhookSettings
from gatekeep.settings.slack import SlackSettings

PREFIX: Final = "GATEKEEP_"
NESTED: Final = "__"


def _network(text: str) -> str:
    """A network's own spelling. Raises ValueError."""
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise ValueError(f"is no network: {error} | write one such as 192.0.2.0/24") from None


def _base(text: str) -> str:
    """An address such as `https://gw.example`, lower case, without a slash at its end.

    Raises ValueError; in clear only for this machine's own names.
    """
    try:
        parts = urlsplit(text.lower().removesuffix("/"))
        name, _port = parts.hostname or "", parts.port
    except ValueError:
        parts, name = urlsplit(""), ""
    bare = f"{parts.scheme}://{parts.netloc}" == text.lower().removesuffix("/")
    if parts.scheme not in {"http", "https"} or not name or not bare or "@" in parts.netloc:
        raise ValueError("is no address | write one such as https://gw.example")
    if parts.scheme == "http" and name not in {"localhost", "127.0.0.1", "::1"}:
        raise ValueError("is in clear | passwords pass over it: write https://, or localhost")
    return f"{parts.scheme}://{parts.netloc}"


Port = Annotated[int, Field(strict=True, ge=0, le=65535)]
Seconds = Annotated[float, Field(strict=True, gt=0, le=86_400)]
Count = Annotated[int, Field(strict=True, ge=1)]
Text = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=255)]
#: An IP address or network, as written.
Network = Annotated[str, StringConstraints(strict=True, max_length=64), AfterValidator(_network)]
#: The beginning of every link: scheme, name, port.
BaseUrl = Annotated[str, StringConstraints(strict=True, max_length=255), AfterValidator(_base)]
#: A C2SP key name: no blanks, no plus.
Origin = Annotated[
    str, StringConstraints(strict=True, min_length=1, max_length=200, pattern=r"^[!-*,-~]+$")
]


def checkout() -> Path | None:
    """The root of the source checkout that this code runs from; None when it is installed."""
    root = Path(__file__).resolve().parents[3]
    return root if (root / "pyproject.toml").is_file() else None


def default_config_dir() -> Path:
    """Where the settings file is looked for."""
    root = checkout()
    return root / "config" if root else Path("/etc/gatekeep")


def _default_state_dir() -> Path:
    root = checkout()
    return root / "state" if root else Path("/var/lib/gatekeep")


def _default_keys_dir() -> Path:
    root = checkout()
    return root / "keys" if root else Path("/etc/gatekeep/keys")


class _Group(BaseModel):
    """A block of settings: nothing unknown in it, nothing changed after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PostgresDoor(_Group):
    """The door for Postgres clients."""

    host: Text = Field(default="127.0.0.1", description="Address that the door listens on.")
    port: Port = Field(default=6432, description="Port of the door; 0 takes a free one.")
    tls: Literal["require", "prefer", "off"] | None = Field(
        default=None,
        description="`require`, `prefer` (TLS for clients that ask) or `off`; without TLS only on loopback. "
        "Unset: `require` with a certificate, else `off`.",
    )
    certificate: FilePath | None = Field(
        default=None, description="PEM file with the door's certificate and its chain."
    )
    key: FilePath | None = Field(
        default=None, description="PEM file with the certificate's private key."
    )
    client_ca: FilePath | None = Field(
        default=None,
        description="PEM file of CAs that are this door's alone: a certificate that one of them issue"
        "d signs its subject's common name in as principal, without a token. Unset: token"
        "s only.",
    )
    client_crl: FilePath | None = Field(
        default=None,
        description="PEM file with revocation lists of these CAs, read again at SIGHUP; an "
        "outdated list refuses every certificate.",
    )
    proxy_from: tuple[Network, ...] = Field(
        default=(),
        description="Networks of proxies, such as `192.0.2.0/24`: each of their connections must begin "
        "with a PROXY header (version 1 or 2), and the address in it is believed. "
        "Whoever connects from there can name any address.",
    )
    handshake_s: Seconds = Field(
        default=10.0, description="Seconds until a connection must have signed in."
    )
    unauthenticated_per_address: Count = Field(
        default=32,
        description="Connections of one address that have not signed in yet; "
        "the oldest is shed for a new one.",
    )
    unauthenticated_total: Count = Field(
        default=512, description="Connections that have not signed in yet, over all addresses."
    )

    @property
    def tls_mode(self) -> str:
        """`require`, `prefer` or `off`, with the default worked out."""
        return self.tls or ("require" if self.certificate else "off")


class SshDoor(_Group):
    """The door for SSH clients."""

    host: Text = Field(default="127.0.0.1", description="Address that the door listens on.")
    port: Port = Field(default=2222, description="Port of the door; 0 takes a free one.")
    user_ca: FilePath | None = Field(
        default=None,
        description="File with public keys of CAs whose OpenSSH user certificates sign in: the "
        "certificate's principal is the principal. Read again at SIGHUP: sessions of a CA that is "
        "gone end. Unset: keys and tokens only.",
    )
    help_url: Text | None = Field(
        default=None, description="Address that the line before sign-in names; unset: none."
    )
    handshake_s: Seconds = Field(
        default=60.0, description="Seconds until a connection must have signed in."
    )
    idle_s: Seconds | None = Field(
        default=None,
        description="Seconds without a byte either way after which a session is ended. Unset: never.",
    )
    session_s: Seconds | None = Field(
        default=None, description="Seconds that a session may last at most. Unset: any time."
    )
    unauthenticated_per_address: Count = Field(
        default=32,
        description="Connections of one address that have not signed in yet; "
        "the oldest is shed for a new one.",
    )
    unauthenticated_total: Count = Field(
        default=512, description="Connections that have not signed in yet, over all addresses."
    )


class Http(_Group):
    """The HTTP door: web pages and API, health, readiness and metrics."""

    host: Text = Field(default="127.0.0.1", description="Address that it listens on.")
    port: Port = Field(default=8080, description="Port; 0 takes a free one.")
    allowed_hosts: tuple[Text, ...] = Field(
        default=(),
        description="Names accepted in `Host`, beside the loopback names (against DNS rebinding).",
    )
    allowed_origins: tuple[Text, ...] = Field(
        default=(), description="Origins accepted beside our own, such as `https://gw.example`."
    )
    metrics: Literal["loopback", "everywhere", "off"] = Field(
        default="loopback",
        description="Who may read `/metrics`: `loopback`, `everywhere` or `off`.",
    )
    base_url: BaseUrl | None = Field(
        default=None,
        description="Address that links begin with, such as `https://gw.example`, where a proxy with TLS "
        "stands before this door; its name is accepted in `Host`, too. Unset: `http://localhost` and "
        "the port.",
    )
    proxy_from: tuple[Network, ...] = Field(
        default=(),
        description="Networks of proxies, such as `192.0.2.0/24`: the address that they name in "
        "`X-Forwarded-For` is believed. This door has no TLS of its own, so its pages answer "
        "only these and this machine.",
    )
    sign_in_s: Seconds = Field(
        default=43_200.0, description="Seconds that a sign-in in a browser lasts at most."
    )
    sign_in_idle_s: Seconds = Field(
        default=1_800.0, description="Seconds without a page after which it ends."
    )

    def link_base(self, port: int) -> str:
        """What every link begins with; `port` is where the door listens."""
        return self.base_url or f"http://localhost:{port}"

    @property
    def names(self) -> tuple[str, ...]:
        """Names accepted in `Host`, beside the loopback names."""
        own = urlsplit(self.base_url or "").hostname
        return (*self.allowed_hosts, own) if own else self.allowed_hosts

    @property
    def origins(self) -> tuple[str, ...]:
        """Origins accepted beside those of our names."""
        return (*self.allowed_origins, self.base_url) if self.base_url else self.allowed_origins


class JournalSettings(_Group):
    """The log of events."""

    origin: Origin = Field(
        default="localhost/gatekeep/default/1/1",
        description="Name of this log in checkpoints: `<domain>/gatekeep/<cluster>/<node>/<epoch>`."
        " Choose it before the first start; it can never change for the same log.",
    )
    segment_mib: Annotated[int, Field(strict=True, ge=1, le=1024)] = Field(
        default=64, description="MiB of one spool segment; two are kept ready ahead."
    )
    checkpoint_s: Seconds = Field(
        default=1.0, description="Seconds between signed checkpoints while the log grows."
    )
    heartbeat_s: Seconds = Field(
        default=60.0, description="Seconds of silence after which a heartbeat event is written."
    )
    deadline_s: Seconds = Field(
        default=5.0,
        description="Seconds that a statement waits for its event to be durable; then refused.",
    )
    keep_segments_days: Annotated[int, Field(strict=True, ge=0, le=3650)] = Field(
        default=7, description="Days that archived spool segments stay beside the archive."
    )


class PolicySettings(_Group):
    """Where the rules are."""

    dir: FilePath = Field(
        default_factory=lambda: default_config_dir() / "policy",
        description="Directory of `*.cedar` files and `cases/`.",
    )
    single_person: Annotated[bool, Field(strict=True)] = Field(
        default=False,
        description="Whether one person alone may loosen the policy; every report says so.",
    )


class ApprovalSettings(_Group):
    """How long and how often people are asked."""

    open_s: Seconds = Field(
        default=900.0, description="Seconds that a request stays open for an answer."
    )
    in_transaction_s: Seconds = Field(
        default=120.0,
        description="The same where the client holds a transaction open, whose locks others wait for.",
    )
    grant_s: Seconds = Field(
        default=1800.0, description="Seconds that leave for a template lasts, unless said otherwise."
    )
    max_open: Count = Field(
        default=5, description="Requests that one person may have open at a time."
    )
    after_denial_s: Seconds = Field(
        default=900.0,
        description="Seconds after a denial until the same may be asked again by the same person.",
    )
    schedule: FilePath | None = Field(
        default=None,
        description="YAML file that says who is on call for which group, and who is asked when nobody "
        "answers; read again at SIGHUP. Unset: everybody of a group is told.",
    )


class LogSettings(_Group):
    """Diagnostics; evidence is the journal's."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="`debug`, `info`, `warning` or `error`."
    )
    format: Literal["json", "console"] = Field(
        default="json", description="`json` (one object a line) or `console`."
    )


class Settings(BaseSettings):
    """All settings of one gateway. `given` are the sources that `load_settings` brings."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    given: ClassVar[tuple[Mapping[str, Any], ...]] = ()

    state_dir: FilePath = Field(
        default_factory=_default_state_dir,
        description="Directory of journal, databases and socket; 0700.",
    )
    keys_dir: FilePath = Field(
        default_factory=_default_keys_dir,
        description="Directory of the keys; never inside `state_dir`, never in the same backup.",
    )
    targets: FilePath = Field(
        default_factory=lambda: default_config_dir() / "targets.yaml",
        description="File with the targets.",
    )
    principals: FilePath = Field(
        default_factory=lambda: default_config_dir() / "principals.yaml",
        description="File with the principals.",
    )
    postgres: PostgresDoor = PostgresDoor()
    ssh: SshDoor = SshDoor()
    http: Http = Http()
    journal: JournalSettings = JournalSettings()
    policy: PolicySettings = Field(default_factory=PolicySettings)
    approvals: ApprovalSettings = ApprovalSettings()
    feedback: FeedbackSettings = FeedbackSettings()
    mail: MailSettings = MailSettings()
    webhooks: WebhookSettings = WebhookSettings()
    slack: SlackSettings = SlackSettings()
    drain_s: Seconds = Field(
        default=30.0,
        description="Seconds that running statements get at SIGTERM before they are cut.",
    )
    log: LogSettings = LogSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - ours reads what it is given
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no hidden files
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no hidden files
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then what `load_settings` gives; never the process's own environment."""
        given = (InitSettingsSource(settings_cls, dict(values)) for values in cls.given)
        return (init_settings, *given)


def leaves(model: type[BaseModel] = Settings) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Every setting: its place, such as `("postgres", "port")`, and its field."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            for place, inner in leaves(field.annotation):
                yield (name, *place), inner
        else:
            yield (name,), field


def variable(place: tuple[str, ...]) -> str:
    """The environment variable of a setting."""
    return PREFIX + NESTED.join(place).upper()
