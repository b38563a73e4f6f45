"""Every setting, typed: `config/gatekeep.yaml`, then the environment over it.

A wrong setting is one SettingsError that names file (or variable), key and a fix. Settings stop
at `app.py`: rooms take plain values. Secrets never stand here, only paths to them.
"""

from gatekeep.settings.model import (
    Http,
    JournalSettings,
    LogSettings,
    PolicySettings,
    PostgresDoor,
    Settings,
    checkout,
    default_config_dir,
    leaves,
    variable,
)
from gatekeep.settings.slack import SlackSettings
from gatekeep.settings.sources import is_loopback, load_settings

__all__ = [
    "Http",
    "JournalSettings",
    "LogSettings",
    "PolicySettings",
    "PostgresDoor",
    "Settings",
    "SlackSettings",
    "checkout",
    "default_config_dir",
    "is_loopback",
    "leaves",
    "load_settings",
    "variable",
]
