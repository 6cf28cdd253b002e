"""The cheap half of the doctor's checks, before a maker starts."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from doctor_kit import Patient

from mm_trio.cli.check_programs.start import run_cheap_checks
from mm_trio.model.errors import ConfigError


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    return Patient(tmp_path)


def test_a_sound_start_logs_nothing(patient: Patient, caplog: pytest.LogCaptureFixture) -> None:
    run_cheap_checks(patient.settings, environ=patient.environ)

    assert caplog.messages == []


def test_a_start_asks_nobody(patient: Patient) -> None:
    run_cheap_checks(patient.settings, environ=patient.environ)

    assert patient.venue.weight == 0


def test_what_is_a_warning_is_logged_and_does_not_stop(patient: Patient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    del patient.config["limits"]

    run_cheap_checks(patient.settings, environ=patient.environ)

    (line,) = caplog.messages
    assert line.startswith("check warns: name=limits reason=11 of 11 limits are not given")


def test_every_fail_is_told_at_once(patient: Patient) -> None:
    patient.set("market", network="mainnet")
    del patient.config["limits"]
    (patient.folder / "state").write_text("")

    with pytest.raises(ConfigError) as caught:
        run_cheap_checks(patient.settings, environ=patient.environ)

    assert [line.split(":")[0].strip() for line in str(caught.value).splitlines()[1:]] == ["state_folder", "limits"]


def test_a_start_creates_nothing(patient: Patient) -> None:
    run_cheap_checks(patient.settings, environ=patient.environ)

    assert list(patient.folder.iterdir()) == []
