"""Certificates made of a maker's record and ledger, and checked, by their commands."""

from __future__ import annotations

import json
import time
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from certificate_kit import ACCOUNT, ASK, BID, COIN, DAY_S, KEY, OTHER, OTHER_KEY, booked, make_folder, observe, order

from mm_trio.cli.liquidity_programs.record_samples import read_changes
from mm_trio.cli.liquidity_programs.signing import find_address
from mm_trio.cli.main import main
from mm_trio.config.keys import Secret
from mm_trio.liquidity.samples import Change, MarketPrices
from mm_trio.model.observations import BestPrices, Coverage, MarketTrade, Observed, OwnBook
from mm_trio.recorder.record_file import RecordFile

AT = DAY_S * 1000
PERIOD = ("--from", str(AT), "--to", str(AT + 100_000))
AGENT = find_address(Secret(KEY))


@pytest.fixture
def signing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MM_TRIO_PRIVATE_KEY", KEY)


def call(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any]:
    """Run a command with --json; return its exit code and object."""
    code = main([*map(str, words), "--json"])
    return code, json.loads(capsys.readouterr().out.splitlines()[-1])


def make(capsys: pytest.CaptureFixture[str], folder: Path, out: Path, *more: object) -> Any:
    code, values = call(capsys, "certificate", "--folder", folder, *PERIOD, "--out", out, *more)
    assert code == 0, values
    return values


# --- Samples -----------------------------------------------------------------------------------


def sample(folder: Path, observed: list[Observed], *, n: int = 10) -> list[Change]:
    with closing(RecordFile.open(folder)) as record:
        record.append(observed)
        return list(read_changes(record, DAY_S, DAY_S + n))


def prices_at(ms: int, bid: int) -> BestPrices:
    return BestPrices(AT + ms, Decimal(bid), Decimal(1), Decimal(99), Decimal(1))


def units_of(bid: int) -> MarketPrices:
    return MarketPrices(bid * 10**8, 99 * 10**8)


def test_a_sample_has_the_last_value_up_to_its_second(tmp_path: Path) -> None:
    observed = [prices_at(-500, 1), prices_at(1_100, 2), prices_at(1_900, 3), prices_at(3_000, 4)]
    changes = sample(tmp_path, [*observed, Coverage("market", AT - 900, AT + 9_999)])

    assert [(change.second - DAY_S, change.market) for change in changes] == [
        (0, units_of(1)),
        (2, units_of(3)),
        (3, units_of(4)),
    ]


def test_seconds_without_a_look_are_unknown(tmp_path: Path) -> None:
    """Looked at until 2.9 s and from 5.1 s on: the samples 3, 4 and 5 are unknown."""
    covered = [Coverage("market", AT, AT + 2_900), Coverage("market", AT + 5_100, AT + 9_999)]
    changes = sample(tmp_path, [prices_at(0, 1), *covered])

    assert [(change.second - DAY_S, change.market) for change in changes] == [
        (0, units_of(1)),
        (3, None),
        (6, units_of(1)),
    ]


def test_a_look_between_two_samples_is_none(tmp_path: Path) -> None:
    assert sample(tmp_path, [prices_at(0, 1), Coverage("market", AT + 2_100, AT + 2_900)]) == []


def test_a_look_that_ends_before_the_period_is_unknown_at_its_end(tmp_path: Path) -> None:
    changes = sample(tmp_path, [prices_at(0, 1), Coverage("market", AT, AT + 8_000)])

    assert [(change.second - DAY_S, change.market) for change in changes] == [(0, units_of(1)), (9, None)]


def test_sizes_that_change_alone_are_no_change_of_the_market(tmp_path: Path) -> None:
    again = BestPrices(AT + 2_000, Decimal(1), Decimal(7), Decimal(99), Decimal(7))

    assert len(sample(tmp_path, [prices_at(0, 1), again, Coverage("market", AT, AT + 9_999)])) == 1


def test_our_book_is_written_as_what_differs(tmp_path: Path) -> None:
    books = [
        OwnBook(AT, (BID, ASK), "quoting"),
        OwnBook(AT + 2_000, (BID, order("sell", "40", "20.06")), "quoting"),
        OwnBook(AT + 4_000, (BID,), "paused", "why"),
    ]
    changes: list[Any] = sample(tmp_path, [*books, Coverage("own", AT, AT + 9_999)])

    assert [(change.own.state, change.own.reason, change.own.sizes) for change in changes] == [
        ("quoting", None, (("buy", 20 * 10**8, 10**10), ("sell", 2_006_000_000, 10**10))),
        ("quoting", None, (("sell", 2_006_000_000, 40 * 10**8),)),
        ("paused", "why", (("sell", 2_006_000_000, 0),)),
    ]


def test_our_book_is_whole_again_after_a_hole(tmp_path: Path) -> None:
    covered = [Coverage("own", AT, AT + 2_000), Coverage("own", AT + 5_000, AT + 9_999)]
    changes: list[Any] = sample(tmp_path, [OwnBook(AT, (BID,), "quoting"), *covered])

    assert [change.own and change.own.sizes for change in changes] == [
        (("buy", 20 * 10**8, 10**10),),
        None,
        (("buy", 20 * 10**8, 10**10),),
    ]


# --- The command -------------------------------------------------------------------------------


@pytest.mark.usefixtures("signing")
def test_a_certificate_is_made_and_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = make(capsys, make_folder(tmp_path), tmp_path / "c.jsonl", "--preset", "spark")
    code, verdict = call(capsys, "verify", tmp_path / "c.jsonl", "--account", ACCOUNT, "--agent", AGENT)

    assert (code, verdict["ok"], verdict["signer"], verdict["fills"]) == (0, True, AGENT, 1)
    assert (made["account"], made["coin"], made["network"], made["agent"]) == (ACCOUNT, COIN, "testnet", AGENT)
    assert verdict["figures"]["period"] == made["period"]


@pytest.mark.usefixtures("signing")
def test_its_figures_are_those_of_the_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of 100 s: 3 s nobody looked, 10 s without a feed, 10 s without asks."""
    made = make(capsys, make_folder(tmp_path), tmp_path / "c.jsonl")

    assert made["period"]["uptime_two_sided"] == "0.77"
    assert made["period"]["down_s"] == {"ours": 10, "venue": 0, "network": 10, "halt": 0, "unknown": 3}
    assert made["period"]["sold_out_s"] == {"bid": 0, "ask": 10}
    assert made["period"]["volume"]["share"] == "0.667332"
    assert made["ladder"] == [{"at_ms": AT - 500, "parameters": {"start_px": "20", "order_sz": "100"}}]
    assert made["journal"]["entries"] == 2


def test_without_a_file_no_key_is_needed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, made = call(capsys, "certificate", "--folder", make_folder(tmp_path), *PERIOD)

    assert (code, made["out"], made["agent"]) == (0, None, None)


def test_a_key_file_signs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = tmp_path / "key"
    key.write_text(OTHER_KEY)
    key.chmod(0o600)
    made = make(capsys, make_folder(tmp_path), tmp_path / "c.jsonl", "--key-file", key)

    assert made["agent"] == find_address(Secret(OTHER_KEY))


@pytest.mark.usefixtures("signing")
def test_the_key_is_never_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "c.jsonl"
    main(["certificate", "--folder", str(make_folder(tmp_path)), *PERIOD, "--out", str(out)])
    printed = capsys.readouterr()

    assert KEY[2:] not in printed.out + printed.err + out.read_text()


@pytest.mark.usefixtures("signing")
def test_the_accounts_own_key_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_folder(tmp_path)
    (folder.parent.parent / AGENT).mkdir()
    moved = folder.rename(folder.parent.parent / AGENT / COIN)
    code, error = call(capsys, "certificate", "--folder", moved, *PERIOD, "--out", tmp_path / "c.jsonl")

    assert (code, "master" in error["error"]) == (2, True)


def test_a_period_that_is_not_over_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, error = call(capsys, "certificate", "--folder", make_folder(tmp_path), "--from", AT, "--to", "2200-01-01")

    assert (code, "is not over" in error["error"]) == (2, True)


def test_a_partial_certificate_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    now_ms = time.time_ns() // 1_000_000
    span = ("--from", now_ms - 10_000, "--to", now_ms + 3_600_000)
    code, made = call(capsys, "certificate", "--folder", make_folder(tmp_path), *span, "--partial")

    assert (code, made["is_partial"]) == (0, True)
    assert made["period"]["samples"] <= 20


@pytest.mark.usefixtures("signing")
def test_a_file_that_is_there_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "c.jsonl"
    out.write_text("mine")
    code, error = call(capsys, "certificate", "--folder", make_folder(tmp_path), *PERIOD, "--out", out)

    assert (code, out.read_text()) == (2, "mine")
    assert "is there already" in error["error"]


def test_own_clauses_are_read_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    terms = tmp_path / "terms.toml"
    clause = 'name = "mine"\nside = "bid"\nat_least = 0.8\nexclude = ["network"]'
    terms.write_text(f"within_pct = 2\ntarget_bps = 35\n\n[[clause]]\n{clause}\n")
    code, made = call(capsys, "certificate", "--folder", make_folder(tmp_path), *PERIOD, "--clauses", terms)

    assert (code, made["preset"]) == (0, None)
    assert [(clause["clause"], clause["met"], clause["excluded"]) for clause in made["clauses"]] == [("mine", True, 10)]


def test_clauses_that_are_wrong_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    terms = tmp_path / "terms.toml"
    terms.write_text("withinpct = 2\n")
    code, error = call(capsys, "certificate", "--folder", make_folder(tmp_path), *PERIOD, "--clauses", terms)

    assert (code, "did you mean within_pct?" in error["error"]) == (2, True)


def test_a_folder_that_does_not_tell_the_account_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    moved = make_folder(tmp_path).rename(tmp_path / "copy")
    code, error = call(capsys, "certificate", "--folder", moved, *PERIOD)

    assert (code, "does not tell the account" in error["error"]) == (2, True)


def test_a_maker_without_a_record_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_folder(tmp_path)
    (folder / "record.sqlite3").unlink()
    code, error = call(capsys, "certificate", "--folder", folder, *PERIOD)

    assert (code, "there is no record" in error["error"]) == (2, True)


def test_the_text_shows_what_a_clause_asks_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Its name is its maker's, and may promise more."""
    golden = Path(__file__).resolve().parents[2] / "data" / "certificates" / "spark.jsonl"

    assert main(["verify", str(golden)]) == 0
    assert "clause uptime bid: NOT MET, 0.82 of at least 0.85;" in capsys.readouterr().out


def test_the_text_names_what_it_proves_and_what_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    golden = Path(__file__).resolve().parents[2] / "data" / "certificates" / "spark.jsonl"

    assert main(["verify", str(golden)]) == 0
    out = capsys.readouterr().out
    assert "What this proves" in out
    assert "What it does not prove" in out
    assert "not by the signature" in out


# --- Verification ------------------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path: Path, capsys: pytest.CaptureFixture[str], signing: None) -> Path:
    fills = [booked(10.15, 1, "sell", "100", "20.06"), booked(10.15, 2, "buy", "1.5", "20")]
    observed = [*observe(), MarketTrade(AT + 10_150, 9, Decimal(20), Decimal("1.5"), "sell", ACCOUNT, OTHER)]
    make(capsys, make_folder(tmp_path, observed, fills), tmp_path / "c.jsonl")
    return tmp_path / "c.jsonl"


def trade(tid: int, **more: Any) -> dict[str, Any]:
    """Return a row of the venue's public trades."""
    row = {"coin": COIN, "side": "B", "px": "20.06", "sz": "100.0", "time": AT + 10_150, "hash": "0x0", "tid": tid}
    return {**row, "users": [OTHER, ACCOUNT], **more}


BOTH = [trade(1), trade(2, px="20.0", sz="1.5", users=[ACCOUNT, OTHER])]


def verify_with(
    capsys: pytest.CaptureFixture[str], certificate: Path, text: str, name: str = "rows.json"
) -> tuple[int, Any]:
    rows = certificate.with_name(name)
    rows.write_text(text)
    return call(capsys, "verify", certificate, "--fills", rows)


SHAPES = {
    "list": json.dumps(BOTH),
    "rows": "\n".join(map(json.dumps, BOTH)),
    "lists": f"{json.dumps(BOTH[:1])}\n{json.dumps(BOTH[1:])}",
    "many lines": json.dumps(BOTH, indent=1),
}


@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES)
def test_every_fill_is_found_among_public_trades(
    certificate: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    code, verdict = verify_with(capsys, certificate, text)

    assert (code, verdict["findings"], verdict["fills_compared"]) == (0, [], True)


def test_every_fill_is_found_among_the_fills_of_the_user(certificate: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"coin": COIN, "px": "20.06", "sz": "100.0", "side": "A", "time": AT + 10_150, "tid": 1, "oid": 71},
        {"coin": COIN, "px": "20", "sz": "1.50", "side": "B", "time": AT + 10_150, "tid": 2, "oid": 72},
    ]

    assert verify_with(capsys, certificate, json.dumps(rows))[0] == 0


@pytest.mark.parametrize(
    ("at_ms", "words"),
    [(AT + 10_151, "they begin later, at "), (AT + 10_149, "they end earlier, at ")],
)
def test_rows_that_do_not_reach_to_a_fill_are_told(
    certificate: Path, capsys: pytest.CaptureFixture[str], at_ms: int, words: str
) -> None:
    row = {"coin": COIN, "px": "20.06", "sz": "100.0", "side": "A", "time": at_ms, "tid": 9, "oid": 71}

    code, found = verify_with(capsys, certificate, json.dumps([row]))

    assert code == 1
    assert words in json.dumps(found)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (trade(3), "the venue's rows have no such trade"),
        (trade(1, coin="@1"), "the venue's rows have no such trade"),
        (trade(1, px="20.07"), "px is 20.06, at the venue 20.07"),
        (trade(1, sz="99"), "sz is 100, at the venue 99"),
        (trade(1, time=AT), f"time is {AT + 10_150}, at the venue {AT}"),
        (trade(1, users=[ACCOUNT, OTHER]), f"side is sell {ACCOUNT}, at the venue buy {ACCOUNT}|sell {OTHER}"),
        (trade(1, users=[OTHER, OTHER]), f"side is sell {ACCOUNT}, at the venue buy {OTHER}|sell {OTHER}"),
    ],
)
def test_a_fill_that_the_venue_does_not_know_is_named(
    certificate: Path, capsys: pytest.CaptureFixture[str], row: dict[str, Any], words: str
) -> None:
    code, verdict = verify_with(capsys, certificate, json.dumps([row, BOTH[1]]))

    assert (code, verdict["findings"]) == (1, [f"fill tid=1 time={AT + 10_150}: {words}"])


UNREADABLE = ["", "{", "[1]", '[{"tid": 1}]', "[" * 9_999, '{"tid": NaN}', json.dumps([trade(1, px="x")])]


@pytest.mark.parametrize("text", UNREADABLE)
def test_rows_that_cannot_be_read_are_told_in_one_line(
    certificate: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    code, error = verify_with(capsys, certificate, text)

    assert code == 2
    assert "save the venue's rows as a JSON list" in error["error"]


@pytest.mark.parametrize("option", ["--account", "--agent"])
def test_another_address_than_expected_is_found(
    certificate: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    code, verdict = call(capsys, "verify", certificate, option, OTHER)

    assert (code, verdict["ok"]) == (1, False)
    assert OTHER in verdict["findings"][0]


def test_an_address_of_a_wrong_form_is_refused(certificate: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, error = call(capsys, "verify", certificate, "--account", "0x12")

    assert (code, error["error"]) == (2, "--account 0x12 is not a valid address: it must be 0x and 40 hex digits")


@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 5_000_000, b"{}\n", b'{"body":{},"hash":"x"}\n'])
def test_a_file_that_is_no_certificate_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    path = tmp_path / "c.jsonl"
    path.write_bytes(content)
    code, verdict = call(capsys, "verify", path)

    assert (code, len(verdict["findings"])) == (1, 1)


def test_a_file_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, error = call(capsys, "verify", tmp_path / "none")

    assert (code, "cannot be read" in error["error"]) == (2, True)
