from __future__ import annotations

from mm_trio.sandbox.nonces import KEPT_NONCES, Nonces

NOW_MS = 1_700_000_000_000


def test_a_nonce_is_spent_once() -> None:
    nonces = Nonces()

    assert nonces.admit(NOW_MS, now_ms=NOW_MS) is None
    assert nonces.admit(NOW_MS, now_ms=NOW_MS) == f"Invalid nonce: duplicate nonce {NOW_MS}"


def test_a_refusal_changes_nothing() -> None:
    nonces = Nonces()
    nonces.admit(NOW_MS, now_ms=NOW_MS)

    for nonce in (0, NOW_MS, 2 * NOW_MS):
        assert nonces.admit(nonce, now_ms=NOW_MS) is not None
    assert nonces.kept == [NOW_MS]


def test_below_the_lowest_of_a_full_set_nothing_passes() -> None:
    nonces = Nonces()
    for nonce in range(NOW_MS, NOW_MS + KEPT_NONCES):
        nonces.admit(nonce, now_ms=NOW_MS)

    assert nonces.admit(NOW_MS - 1, now_ms=NOW_MS) == f"Invalid nonce: nonce too low {NOW_MS - 1} < {NOW_MS}"
    assert nonces.admit(NOW_MS + KEPT_NONCES, now_ms=NOW_MS) is None
    assert (len(nonces.kept), nonces.kept[0]) == (KEPT_NONCES, NOW_MS + 1)
