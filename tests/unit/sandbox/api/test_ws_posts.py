"""Requests over the socket: parsing, and the form of answers."""

from __future__ import annotations

import json

import pytest

from mm_trio.sandbox.api.http_handler import Answer
from mm_trio.sandbox.api.ws_posts import Post, post_frame, read_post

INFO = {"method": "post", "id": 5, "request": {"type": "info", "payload": {"type": "allMids"}}}
ACTION = {"method": "post", "id": 6, "request": {"type": "action", "payload": {"action": {}, "nonce": 1}}}


def test_an_info_request_goes_where_it_would_go_over_http() -> None:
    post = read_post(INFO)

    assert post == Post(5, "info", {"type": "allMids"})
    assert (post.path, json.loads(post.body)) == ("/info", {"type": "allMids"})


def test_an_action_goes_with_its_envelope() -> None:
    post = read_post(ACTION)

    assert post is not None
    assert (post.path, json.loads(post.body)) == ("/exchange", {"action": {}, "nonce": 1})


@pytest.mark.parametrize(
    "message",
    [
        None,
        {"method": "ping"},
        {**INFO, "id": None},
        {**INFO, "id": "5"},
        {**INFO, "id": True},
        {**INFO, "id": -1},
        {**INFO, "id": 1 << 64},
        {**INFO, "request": None},
        {**INFO, "request": {"type": "explorer", "payload": {}}},
        {**INFO, "request": {"type": "info", "payload": "allMids"}},
        {**INFO, "request": {"type": ["info"], "payload": {}}},
        {**INFO, "request": {"type": "info"}},
    ],
)
def test_anything_else_is_no_post(message: object) -> None:
    assert read_post(message) is None


def test_an_info_answer_names_its_type_again() -> None:
    frame = post_frame(Post(5, "info", {"type": "allMids"}), Answer(200, b'{"BTC":"1.0"}'))

    payload = {"type": "allMids", "data": {"BTC": "1.0"}}
    assert frame == {"channel": "post", "data": {"id": 5, "response": {"type": "info", "payload": payload}}}


def test_an_action_answer_is_the_body_that_http_would_have() -> None:
    body = {"status": "err", "response": "Must deposit before performing actions. User: 0x1"}
    frame = post_frame(Post(6, "action", {}), Answer(200, json.dumps(body).encode()))

    assert frame["data"] == {"id": 6, "response": {"type": "action", "payload": body}}


@pytest.mark.parametrize(
    "answer, text",
    [
        (Answer(422, b"Failed to deserialize"), "422 Unprocessable Entity: Failed to deserialize"),
        (Answer(429, b"null"), "429 Too Many Requests: null"),
        (Answer(200, b"<html>"), "<html>"),
    ],
)
def test_an_error_is_one_text(answer: Answer, text: str) -> None:
    frame = post_frame(Post(7, "action", {}), answer)

    assert frame["data"] == {"id": 7, "response": {"type": "error", "payload": text}}
