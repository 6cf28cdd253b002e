"""A certificate that was changed anywhere does not fit any more, and what does not fit is named."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from certificate_kit import DAY_S, KEY, OTHER_KEY, TERMS, live_for, read_bodies, rehash, write_signed

from mm_trio.cli.liquidity_programs.signing import find_address, recover, sign
from mm_trio.config.keys import Secret
from mm_trio.liquidity.certificate import write_signed_text
from mm_trio.liquidity.samples import Fill
from mm_trio.liquidity.verification import Verification, verify_lines

LINES = write_signed(TERMS, live_for("20", "100"))
AGENT = find_address(Secret(KEY))


def verify(lines: list[bytes]) -> Verification:
    return verify_lines(b"".join(lines).splitlines(keepends=True), recover=recover)


def sign_again(bodies: list[dict[str, Any]], key: str = KEY) -> list[bytes]:
    """Make chain and signature anew, as the holder of a key could."""
    digest = sha256(b"".join(rehash(bodies[:-1]))).hexdigest()
    signed = {**bodies[-1], "sha256": digest, "signature": sign(Secret(key), write_signed_text(digest))}
    return rehash([*bodies[:-1], signed])


def change(find: Callable[[dict[str, Any]], bool], **values: Any) -> Verification:
    """Change the first body of a kind, and make chain and signature anew."""
    bodies = read_bodies(LINES)
    next(body for body in bodies if find(body)).update(values)
    return verify(sign_again(bodies))


def of_kind(kind: str) -> Callable[[dict[str, Any]], bool]:
    return lambda body: body["kind"] == kind


def test_a_certificate_fits() -> None:
    found = verify(LINES)

    assert (found.findings, found.signer, found.n_fills) == ([], AGENT, 1)
    assert found.n_lines == len(LINES)


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Change, remove or insert one byte."""
    place = rng.randrange(len(data))
    kind = rng.randrange(3)
    if kind == 0:
        return data[:place] + bytes([data[place] ^ (1 << rng.randrange(8))]) + data[place + 1 :]
    if kind == 1:
        return data[:place] + data[place + 1 :]
    return data[:place] + bytes([rng.choice(b'0 aA"\n{,')]) + data[place:]


def test_a_change_of_any_byte_is_found() -> None:
    """Of 200 bytes chosen by chance: changed, removed, or with another before them."""
    rng, whole = random.Random(5), b"".join(LINES)
    changed = [mutate(whole, rng) for _ in range(200)]
    missed = [data for data in changed if data != whole and verify([data]).is_ok]

    assert missed == []
    assert all("line" in verify([data]).findings[0] for data in changed[:50] if data != whole)


@pytest.mark.parametrize("place", range(0, len(LINES), 3))
def test_a_removed_line_is_found(place: int) -> None:
    assert not verify(LINES[:place] + LINES[place + 1 :]).is_ok


@pytest.mark.parametrize("place", range(0, len(LINES) - 1, 3))
def test_two_lines_that_changed_places_are_found(place: int) -> None:
    swapped = [*LINES[:place], LINES[place + 1], LINES[place], *LINES[place + 2 :]]

    assert f"line {place + 1}" in verify(swapped).findings[0]


def test_a_doubled_line_is_found() -> None:
    assert verify([*LINES[:3], LINES[2], *LINES[3:]]).findings[0].startswith("line 4 does not fit its hash")


def test_what_follows_the_signature_is_found() -> None:
    assert verify([*LINES, b"\n"]).findings == [f"line {len(LINES) + 1} follows the signature, which is the last line"]


def test_a_missing_last_line_feed_is_found() -> None:
    assert not verify([*LINES[:-1], LINES[-1][:-1]]).is_ok


def test_a_certificate_without_its_end_is_found() -> None:
    assert verify(LINES[:-1]).findings == [f"the signature is missing: the file ends after line {len(LINES) - 1}"]


def test_an_empty_file_is_no_certificate() -> None:
    assert verify([]).findings == ["the file is empty; it is not a certificate"]


def test_another_key_is_named() -> None:
    other = find_address(Secret(OTHER_KEY))
    found = verify(sign_again(read_bodies(LINES), OTHER_KEY))

    assert found.signer == other
    assert found.findings[0].startswith(f"the signature is by {other}, but the certificate names agent {AGENT}")


def test_a_figure_that_does_not_follow_from_the_samples_is_named() -> None:
    """Its maker signed it himself."""
    found = change(of_kind("period"), uptime_bid="0.99")

    assert found.findings == ["period.uptime_bid is '0.99', but the samples give '0.82'"]


def test_a_verdict_that_does_not_follow_from_the_samples_is_named() -> None:
    found = change(of_kind("clause"), met=False)

    assert found.findings == ["clause uptime.met is False, but the samples give True"]


def test_a_number_in_place_of_a_truth_value_is_named() -> None:
    assert not change(of_kind("clause"), met=1).is_ok


def test_a_sample_that_was_changed_leads_to_other_figures() -> None:
    """A hole becomes a look at an empty book."""
    empty: dict[str, object] = {"orders": [], "reason": None, "state": "quoting"}
    found = change(lambda body: body.get("own", empty) is None, own=empty)

    assert found.findings[0].endswith(".known is 97, but the samples give 100")


def test_a_hole_that_was_left_out_leads_to_other_figures() -> None:
    bodies = [body for body in read_bodies(LINES) if not ("own" in body and body["own"] is None)]
    found = verify(sign_again(bodies))

    assert any("uptime_bid" in finding for finding in found.findings)


def test_figures_of_a_missing_day_are_named() -> None:
    bodies = [body for body in read_bodies(LINES) if body["kind"] != "day"]

    assert any("is missing" in finding for finding in verify(sign_again(bodies)).findings)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("fill", {"px": "20.010"}),
        ("fill", {"side": "B"}),
        ("fill", {"tid": -1}),
        ("fill", {"tid": True}),
        ("fill", {"more": 1}),
        ("fill", {"time": 1}),
        ("change", {"t": 1}),
        ("change", {"t": "1"}),
        ("change", {"market": []}),
        ("change", {"market": ["0", "1"]}),
        ("change", {"own": 5}),
        ("change", {"own": {"orders": [["sell", "1", "1"], ["buy", "1", "1"]], "reason": None, "state": "x"}}),
        ("change", {"own": {"orders": [["buy", "1", "0"]], "reason": None, "state": "x"}}),
        ("volume", {"own_notional": "99999999999"}),
        ("volume", {"day": 0}),
        ("header", {"version": 2}),
        ("header", {"from_s": 0, "until_s": 10**12}),
        ("header", {"terms": {}}),
        ("header", {"account": "0xAB"}),
        ("header", {"format": "else"}),
        ("header", {"preset": "spark"}),
        ("header", {"preset": "of another program"}),
        ("header", {"made_ms": 1000 * (DAY_S + 100) - 1}),
        ("header", {"coin": "@1\x1b[2J"}),
        ("header", {"network": "mainnet" * 20}),
        ("period", {"kind": "something"}),
    ],
)
def test_a_value_of_a_wrong_form_is_found(kind: str, values: dict[str, Any]) -> None:
    """Its maker signed it himself."""
    found = change(of_kind(kind), **values)

    assert found.findings[0].startswith("line ")


def test_a_trade_that_is_counted_twice_is_found() -> None:
    """Its maker signed it himself: a trade has one order of ours on a side, so another order id is made up."""
    fill = next(event for event in live_for("20", "100") if isinstance(event, Fill))
    events = [each for event in live_for("20", "100") for each in (event, replace(fill, oid=72))[: 1 + (event == fill)]]

    assert verify(write_signed(TERMS, events)).findings == ["line 4: trade 1 is counted twice"]


def test_both_sides_of_one_trade_count() -> None:
    """The account traded with itself."""
    fill = next(event for event in live_for("20", "100") if isinstance(event, Fill))
    other = replace(fill, oid=72, side="buy")
    events = [each for event in live_for("20", "100") for each in (event, other)[: 1 + (event == fill)]]

    assert verify(write_signed(TERMS, events)).findings == []


def test_a_finding_does_not_steer_the_terminal() -> None:
    found = change(of_kind("fill"), **{"\x1b[2J": 1})

    assert found.findings[0].isprintable()


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"body":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b'{"a":' + b"9" * 1_000_000 + b"}",
        b'{"a":NaN}',
        b'{"a":1.5}',
        b'{"a":1,"a":1}',
        b'{"b":1,"a":1}',
        b'{"a": 1}',
        b'{"a":"\xc3\xa9"}',
        b'"text"',
    ],
    ids=["deep", "closed", "long number", "NaN", "float", "twice", "order", "blank", "utf-8", "text"],
)
def test_a_hostile_body_is_refused_in_one_line(content: bytes) -> None:
    """Each has a hash that fits."""
    line = b'{"body":' + content + b',"hash":"' + sha256(content).hexdigest().encode() + b'"}\n'

    assert len(verify([line]).findings) == 1
    assert "\n" not in verify([line]).findings[0]


def test_the_other_form_of_a_signature_is_refused() -> None:
    """Of each signature there is a second one, with the other half of s."""
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    raw = bytes.fromhex(read_bodies(LINES)[-1]["signature"][2:])
    other = raw[:32] + (order - int.from_bytes(raw[32:64], "big")).to_bytes(32, "big") + bytes([55 - raw[64]])
    bodies = read_bodies(LINES)
    bodies[-1]["signature"] = "0x" + other.hex()

    assert "the signature is not valid" in verify(rehash(bodies)).findings


@pytest.mark.parametrize("signature", ["0x" + "00" * 65, "0x" + "ff" * 65, "0x" + "00" * 64 + "1b", "", "0x12"])
def test_a_signature_that_cannot_be_is_refused(signature: str) -> None:
    bodies = read_bodies(LINES)
    bodies[-1]["signature"] = signature

    assert "the signature is not valid" in verify(rehash(bodies)).findings
