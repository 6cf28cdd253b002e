from __future__ import annotations

from mm_trio.sandbox.api import nonces as module
from mm_trio.sandbox.api.nonces import KEPT_NONCES, Nonces

NOW_MS = 1_700_000_000_000
DAY_MS = 86_400_000


def test_a_nonce_is_spent_once() -> None:
    nonces = Nonces()

    assert nonces.admit(NOW_MS, now_ms=NOW_MS) is None
    assert nonces.admit(NOW_MS, now_ms=NOW_MS) == f"Invalid nonce: duplicate nonce {NOW_MS}"


def test_a_refusal_changes_nothing() -> None:
    nonces = Nonces()
    nonces.admit(NOW_MS, now_ms=NOW_MS)

    for nonce in (0, NOW_MS, 2 * NOW_MS):
        assert nonces.admit(nonce, now_ms=NOW_MS) is not None
    assert nonces.seen == [NOW_MS]


def test_below_the_lowest_of_a_hundred_nothing_new_passes() -> None:
    nonces = Nonces()
    for nonce in range(NOW_MS, NOW_MS + 2 * KEPT_NONCES, 2):
        nonces.admit(nonce, now_ms=NOW_MS)

    assert nonces.admit(NOW_MS - 1, now_ms=NOW_MS) == f"Invalid nonce: nonce too low {NOW_MS - 1} < {NOW_MS}"
    assert nonces.admit(NOW_MS + 1, now_ms=NOW_MS) is None
    assert nonces.admit(NOW_MS - 1, now_ms=NOW_MS) == f"Invalid nonce: nonce too low {NOW_MS - 1} < {NOW_MS + 1}"


def test_a_seen_nonce_is_a_duplicate_however_far_it_is_below_the_floor() -> None:
    nonces = Nonces()
    for nonce in range(NOW_MS, NOW_MS + 5 * KEPT_NONCES):
        nonces.admit(nonce, now_ms=NOW_MS)

    assert nonces.admit(NOW_MS, now_ms=NOW_MS) == f"Invalid nonce: duplicate nonce {NOW_MS}"


def test_what_the_window_holds_no_more_is_forgotten() -> None:
    nonces = Nonces()
    nonces.admit(NOW_MS, now_ms=NOW_MS)
    later = NOW_MS + 3 * DAY_MS
    nonces.admit(later, now_ms=later)

    oldest = later - 2 * DAY_MS + 120_000
    assert nonces.seen == [later]
    assert nonces.admit(NOW_MS, now_ms=later) == f"Invalid nonce: nonce too low {NOW_MS} < {oldest}"


def test_memory_is_bounded_and_the_forgotten_one_is_too_low() -> None:
    nonces = Nonces(list(range(NOW_MS, NOW_MS + module._MAX_REMEMBERED)))
    newest = NOW_MS + module._MAX_REMEMBERED

    assert nonces.admit(newest, now_ms=NOW_MS) is None
    assert len(nonces.seen) == module._MAX_REMEMBERED
    assert nonces.admit(NOW_MS, now_ms=NOW_MS) == f"Invalid nonce: nonce too low {NOW_MS} < {newest - KEPT_NONCES + 1}"
