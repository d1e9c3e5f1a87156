"""Requests as bytes, and of answers only what is counted.

Source: docs/protocol.md; the reference transcripts.
"""

import json
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from .plan import Kind, TransformerName


class Result(msgspec.Struct, gc=False):
    """What an answer brings. Its data is skipped, not read."""

    type: str | None = None
    id: str | None = None


class Answer(msgspec.Struct, gc=False):
    """A message of the server's."""

    id: int | str | None = None
    result: Result | None = None
    error: msgspec.Raw | UnsetType = UNSET
    method: str | None = None


decode_answer: Final = msgspec.json.Decoder(Answer).decode

SUPERJSON_UNDEFINED: Final = '{"json":null,"meta":{"values":["undefined"]}}'

PING: Final = b"PING"
PONG: Final = b"PONG"


def request(
    number: int,
    kind: Kind,
    path: str,
    text: str | None,
    transformer: TransformerName,
    last_event_id: str | None = None,
) -> bytes:
    """Write a call; `text` is its input as JSON."""
    fields = [f'"path":{json.dumps(path)}']
    if transformer == "superjson":
        # Its notes are about what JSON does not have, which of all inputs only an absent one is.
        text = SUPERJSON_UNDEFINED if text is None else f'{{"json":{text}}}'
    if text is not None:
        fields.append(f'"input":{text}')
    if last_event_id is not None:
        fields.append(f'"lastEventId":{json.dumps(last_event_id)}')
    return f'{{"id":{number},"method":"{kind}","params":{{{",".join(fields)}}}}}'.encode()


def connection_params(params: dict[str, str]) -> bytes:
    """Write the first message of a connection that announced them."""
    return msgspec.json.encode({"method": "connectionParams", "data": params})


def read_error(raw: bytes | msgspec.Raw) -> tuple[str, str]:
    """Give the code and the message of an error, with or without superjson around it."""
    try:
        error: Any = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        error = None
    if isinstance(error, dict) and isinstance(error.get("json"), dict):
        error = error["json"]
    if not isinstance(error, dict):
        return "UNKNOWN", ""
    data = error.get("data")
    code = data.get("code") if isinstance(data, dict) else None
    return str(code or error.get("code") or "UNKNOWN"), str(error.get("message") or "")


def read_data(message: bytes, transformer: TransformerName) -> Any:
    """Give the data of a query's or mutation's answer, None if it has none."""
    try:
        data = msgspec.json.decode(message)["result"]["data"]
        return data["json"] if transformer == "superjson" else data
    except (msgspec.DecodeError, KeyError, TypeError):
        return None
