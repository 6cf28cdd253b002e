"""What a command reads of the process's environment, with the secrets apart.

An environment that is handed from function to function shows its key in every traceback that has local variables. So
the secrets leave `os.environ` before a command begins, and neither its frames nor its child processes have them. They
stay in `/proc/PID/environ`, where the system keeps what a process was started with: a key file or a keystore is safer.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field

from mm_trio.config.keys import ALERT_VARIABLES, SECRET_VARIABLES, Secret
from mm_trio.config.redaction import hide_secrets, is_secret, names_secret

__all__ = ["Environment", "take_environment"]

# Every variable of ours begins so. Of them a command reads the settings, and the account.
_OURS = "MM_TRIO_"
# Where the state folder is.
_STATE_VARIABLE = "XDG_STATE_HOME"
# What a service manager says of itself. It is meant for this process alone: a child that had them could speak for it.
_MANAGER_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
# A variable whose name has one of these holds an address with a token in it, also where the name is mistaken.
_ALERT_WORDS = ("ALERT", "HEARTBEAT")
_HIDDEN = "<hidden>"
# Stands for a secret in a variable for a setting, which is refused because its value looks like a key.
_MASK = "0" * 64


@dataclass(frozen=True, slots=True)
class Environment:
    """Variables of one command.

    `plain` may be shown and handed on, `secrets` may not be read before they are needed. They are of the signing key;
    `alerts` are addresses of alert channels.
    """

    plain: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    alerts: Mapping[str, Secret] = field(default_factory=dict)


def take_environment(environ: MutableMapping[str, str]) -> Environment:
    """Copy what a command needs, and remove the secrets and what child processes must not have."""
    secrets = {name: Secret(environ.pop(name)) for name in SECRET_VARIABLES if name in environ}
    known = {name: name.upper() for name in environ if name.upper() in ALERT_VARIABLES}
    alerts = {known[name]: Secret(environ.pop(name)) for name in known}
    plain = {name: environ[name] for name in (_STATE_VARIABLE,) if name in environ}
    plain |= {name: environ.pop(name) for name in _MANAGER_VARIABLES if name in environ}
    for name in [name for name in environ if name.upper().startswith(_OURS)]:
        if is_secret(environ[name]) or names_secret(name.upper().removeprefix(_OURS).strip("_")):
            # Kept so that it is refused as before, and by a name that is harmless too.
            plain[hide_secrets(name)] = _MASK
            del environ[name]
        elif _may_be_address(name, environ[name]):
            plain[name] = _HIDDEN
            del environ[name]
        else:
            plain[name] = environ[name]
    return Environment(plain, secrets, alerts)


def _may_be_address(name: str, value: str) -> bool:
    return "://" in value and any(word in name.upper() for word in _ALERT_WORDS)
