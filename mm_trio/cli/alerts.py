"""Command `alerts`: try, send and list what an operator is told."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mm_trio.cli.shell.exit_codes import ExitCode
from mm_trio.cli.shell.output import print_result, set_up_logging
from mm_trio.cli.shell.parser import Command, add_json_option
from mm_trio.cli.shell.stop_signal import StopSignal
from mm_trio.cli.shell.verdict import gives_verdict
from mm_trio.model.errors import ConfigError

if TYPE_CHECKING:
    from mm_trio.alerts.message import Message

__all__ = ["COMMAND", "add_arguments", "add_send_arguments", "list_rules", "send", "test"]

# What each event of `send` says, and how urgent it is.
EVENTS = {
    "failed": "critical",
    "stopped": "warning",
    "started": "info",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of all verbs."""
    add_json_option(parser)
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="configuration file (TOML)")


def add_send_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `send`."""
    add_arguments(parser)
    parser.add_argument("--event", choices=sorted(EVENTS), required=True, help="what happened")
    parser.add_argument("--unit", default="", metavar="NAME", help="whom it happened to, such as %%i of systemd")
    parser.add_argument("--result", default="", metavar="R", help="how it ended, such as $MONITOR_SERVICE_RESULT")
    parser.add_argument(
        "--status", default="", metavar="S", help="its exit code or signal, such as $MONITOR_EXIT_STATUS"
    )


@gives_verdict
def test(arguments: argparse.Namespace, stop: StopSignal) -> int:
    """Send a test message to every channel and return the exit code."""
    from mm_trio.cli.alert_programs.event_words import make_test_message

    return _tell(arguments, stop, make_test_message(), again=False, is_lenient=False)


@gives_verdict
def send(arguments: argparse.Namespace, stop: StopSignal) -> int:
    """Send a message from outside a maker and return the exit code."""
    from mm_trio.cli.alert_programs.event_words import make_event_message

    message = make_event_message(
        arguments.event,
        severity=EVENTS[arguments.event],
        unit=arguments.unit,
        result=arguments.result,
        status=arguments.status,
        config=str(arguments.config),
    )
    return _tell(arguments, stop, message, again=True, is_lenient=True)


def list_rules(arguments: argparse.Namespace) -> int:
    """Print what is told, and to whom."""
    from mm_trio.alerts.addresses import find_addresses
    from mm_trio.cli.alert_programs.alert_file import load_alerts
    from mm_trio.cli.alert_programs.alert_list import AlertList

    alerts = load_alerts(arguments.config, environ=arguments.environment.plain)
    addresses = find_addresses(alerts, arguments.environment.alerts)
    print_result(AlertList.of(alerts, addresses), as_json=arguments.json)
    return ExitCode.CLEAN


def _tell(arguments: argparse.Namespace, stop: StopSignal, message: Message, *, again: bool, is_lenient: bool) -> int:
    """Send a message to every channel. `is_lenient`: a file that cannot be read does not keep it back."""
    from mm_trio.alerts.addresses import find_addresses
    from mm_trio.alerts.apprise_channel import open_channels
    from mm_trio.cli.alert_programs.alert_file import load_alerts
    from mm_trio.cli.alert_programs.tell_channels import tell_channels
    from mm_trio.config.settings import Alerts
    from mm_trio.terminal_ui.streams import tell

    set_up_logging(sys.stderr)
    try:
        alerts = load_alerts(arguments.config, environ=arguments.environment.plain)
    except ConfigError as error:
        if not is_lenient or not arguments.environment.alerts:
            raise
        tell(f"mm-trio: {error}; the addresses of the environment are used")
        alerts = Alerts()
    addresses = find_addresses(alerts, arguments.environment.alerts)
    if not addresses.urls:
        raise ConfigError(
            f"no alert channel: set [alerts] urls in {arguments.config}, MM_TRIO_ALERT_URLS, or "
            "MM_TRIO_ALERT_URLS_FILE (a file of mode 0600), with addresses of Apprise, such as json://127.0.0.1:8080"
        )
    telling = stop.run(partial(tell_channels, open_channels(addresses.urls), message, again=again))
    print_result(telling, as_json=arguments.json)
    return ExitCode.CLEAN if telling.is_ok else ExitCode.CHECK_FAILED


COMMAND = Command(
    name="alerts",
    help="try the channels that alerts are sent to, or send one",
    description="What a maker tells when something is wrong: [alerts] of the configuration, or MM_TRIO_ALERT_URLS.",
    verbs=(
        Command(
            name="test",
            help="send a test message to every channel",
            description="Sends one message to every channel and says of each whether it was taken. Exit code 1 where "
            "one was not.",
            add_arguments=add_arguments,
            run=test,
        ),
        Command(
            name="send",
            help="tell that a service failed, as for OnFailure= of systemd",
            description="Sends one message to every channel, for whoever watches a maker from outside. It reads "
            "[alerts] of FILE and nothing else, so that a wrong configuration does not keep it back. It tries for half "
            "a minute. Exit code 1 where a channel did not take it.",
            add_arguments=add_send_arguments,
            run=send,
        ),
        Command(
            name="list",
            help="list what is told, and to whom",
            description="Lists the rules with their limits, and the channels by scheme and host. Nothing is sent.",
            add_arguments=add_arguments,
            run=list_rules,
        ),
    ),
)
