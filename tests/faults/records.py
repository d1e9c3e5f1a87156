"""A whole database against what it promises, and against what clients have seen."""

import itertools
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from tests.conformance.chat import Event, text_of
from tests.faults.evidence import Seen, check_message, number_of
from tidewire.chat.fold import TOOL_CUT_OFF

DELTAS: Final = {
    "text_delta": "content",
    "reasoning_delta": "content",
    "refusal_delta": "content",
    "tool_call_delta": "argsDelta",
}


@dataclass(frozen=True)
class Records:
    """What a database held at one moment."""

    messages: Sequence[Mapping[str, Any]]
    """In their order."""
    events: Mapping[str, Sequence[tuple[int, str, Event]]]
    """By conversation and in their order: number, turn and event."""

    @classmethod
    def read(cls, database: Path) -> Self:
        """Read it, whoever else has it open."""
        with closing(sqlite3.connect(database)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("BEGIN")
            messages = [dict(row) for row in connection.execute("SELECT * FROM messages ORDER BY seq")]
            events: defaultdict[str, list[tuple[int, str, Event]]] = defaultdict(list)
            for row in connection.execute("SELECT * FROM events ORDER BY conversation_id, number"):
                events[row["conversation_id"]].append(
                    (row["number"], row["turn_id"], json.loads(row["payload"]))
                )
        return cls(messages, events)

    @property
    def answers(self) -> Iterator[Mapping[str, Any]]:
        """The messages that answer others."""
        return (message for message in self.messages if message["role"] == "assistant")

    def answer(self, client_message_id: str) -> Mapping[str, Any]:
        """The one answer to a message."""
        [question] = [each for each in self.messages if each["client_message_id"] == client_message_id]
        [answer] = [each for each in self.answers if each["turn_id"] == question["turn_id"]]
        return answer

    def of_turn(self, turn_id: str) -> list[Event]:
        """A turn's events in their order."""
        return [event for each in self.events.values() for _, turn, event in each if turn == turn_id]

    # ---------- what must be true

    def check(self, *, before: datetime | None = None) -> None:
        """The log has no gaps, and every turn has ended and is stored as the log tells it.

        Of turns that began `before` a moment only; those after it may be under way.
        """
        self._check_numbers()
        self._check_messages_once()
        for answer in self.answers:
            if before is None or began(answer) < before:
                self._check_turn(answer)

    def _check_numbers(self) -> None:
        for entries in self.events.values():
            assert [number for number, _, _ in entries] == list(range(1, len(entries) + 1))
            turns = [turn for turn, _ in itertools.groupby(turn for _, turn, _ in entries)]
            assert len(turns) == len(set(turns)), "turns are mixed"

    def _check_messages_once(self) -> None:
        sent = Counter(each["client_message_id"] for each in self.messages if each["client_message_id"])
        assert all(count == 1 for count in sent.values()), sent

    def _check_turn(self, answer: Mapping[str, Any]) -> None:
        events = self.of_turn(answer["turn_id"])
        types = [event["type"] for event in events]
        assert answer["status"] != "streaming"
        assert types[0] == "start", types
        assert types[-1] == "complete", types
        assert (types.count("start"), types.count("complete")) == (1, 1), types
        check_message(answer, events)
        assert [event["type"] for event in events[-2:-1]] == ["error"] or answer["status"] in {
            "ok",
            "stopped",
        }

    def check_seen(self, seen: Seen) -> None:
        """Everything a client has seen of one turn is in the log: nothing else, nothing less up to there."""
        if not seen:
            return
        epoch = seen[0]["id"].partition(".")[0]
        [entries] = [each for name, each in self.events.items() if name.startswith(epoch)]
        turn_id = seen[0]["data"]["turnId"]
        logged = [(number, event) for number, turn, event in entries if turn == turn_id]
        position = 0
        for event in seen:
            piece = [each for number, each in logged if position < number <= number_of(event)]
            position = number_of(event)
            assert piece, f"{event} is not in the log, or came twice"
            assert joined(piece) == event["data"]

    def check_seen_whole(self, seen: Seen) -> None:
        """The same for a client that has read to the end: its text is the database's."""
        self.check_seen(seen)
        types = [event["data"]["type"] for event in seen]
        assert (types.count("complete"), types[-1]) == (1, "complete"), types
        turn_id = seen[0]["data"]["turnId"]
        [answer] = [each for each in self.answers if each["turn_id"] == turn_id]
        assert text_of(event["data"] for event in seen) == answer["content"]
        assert seen[-1]["data"]["status"] == answer["status"]

    def check_tools(self, begun: Sequence[str]) -> None:
        """Tools that left a trace ran once, and are told of; those that are told of have run.

        Args:
            begun: the ids of calls, one for each time that one began to run.
        """
        assert len(begun) == len(set(begun)), Counter(begun).most_common(3)
        parts = {
            part["toolCallId"]: part
            for answer in self.answers
            if answer["status"] != "streaming"
            for part in json.loads(answer["parts"])
            if part["type"] == "tool_call"
        }
        told = {call_id: part for call_id, part in parts.items() if part.get("done")}
        assert {*begun} & {*parts} <= {*told}, "a tool that ran is not reported"
        for call_id, part in told.items():
            assert part["result"] == TOOL_CUT_OFF or call_id in begun


def began(message: Mapping[str, Any]) -> datetime:
    """When a message was stored."""
    return datetime.fromisoformat(message["created_at"]).replace(tzinfo=UTC)


def joined(pieces: Sequence[Event]) -> Event:
    """The one event that these become for a reader that lags."""
    if len(pieces) == 1:
        return pieces[0]
    field = DELTAS[pieces[0]["type"]]
    shells = [{name: value for name, value in piece.items() if name != field} for piece in pieces]
    assert shells == [shells[0]] * len(shells), "an event was left out"
    return {**pieces[0], field: "".join(piece[field] for piece in pieces)}
