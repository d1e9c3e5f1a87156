"""What a server does at its start about turns that the last one left open."""

import logging
from collections.abc import Sequence
from typing import Final

import msgspec

from .events import (
    Complete,
    Error,
    MessageEvent,
    ReasoningDelta,
    RefusalDelta,
    Start,
    Stopped,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    TurnOutcome,
    UsageReport,
)
from .fold import Fold
from .log import Journal, Written
from .models import Failure, Message, TextPart, ToolCallPart, Usage, answer_among
from .prompt import prompt_messages
from .providers.base import Prompt
from .store import Store, StoreError
from .usage import estimate, total

logger: Final = logging.getLogger("tidewire.chat")

CRASHED: Final = Failure(
    code="SERVICE_UNAVAILABLE", message="The server ended before the answer did.", retryable=True
)


async def open_turns(store: Store, journal: Journal) -> list[tuple[str, str]]:
    """The conversation and turn of every turn that is under way according to the database.

    Raises:
        StoreError: the database failed.
    """
    return sorted({*await store.messages.streaming_turns(), *await journal.open_turns()})


async def close_turn(
    store: Store, journal: Journal, conversation_id: str, turn_id: str, *, max_history_messages: int
) -> bool:
    """End a turn that nobody works on any more; False if it has ended.

    What the log holds of its answer becomes the answer, a tool that had begun is reported as cut off, and
    the log gets what is missing: at most one `error`, and `complete`. Being cut off itself, this can be
    repeated.

    Raises:
        StoreError: the database failed.
    """
    seen = [entry.data for entry in await journal.turn(conversation_id, turn_id)]
    messages = await store.messages.turn(turn_id)
    answer = answer_among(messages)
    ended = any(isinstance(event, Complete) for event in seen)
    if ended and (answer is None or answer.status != "streaming"):
        return False
    if answer is None:
        # Another has taken its place; whoever still follows is to stop waiting.
        message_id = next((event.message_id for event in seen if isinstance(event, Start)), turn_id)
        await _write(
            journal, conversation_id, turn_id, [Complete(message_id=message_id, status="interrupted")]
        )
        return True
    missing: list[MessageEvent] = []
    if not seen:
        missing.append(_start(messages, answer))
    if answer.status == "streaming":
        fold = _fold(seen)
        missing += await _cut_off_tools(store, fold, turn_id)
        for event in missing:
            fold.apply(event)
        history = await store.messages.history(conversation_id, limit=max_history_messages + 1)
        usages, estimated = _usages(seen, answer, history)
        missing += estimated
        answer, error = _ended(answer, seen)
        missing += error
        answer = msgspec.structs.replace(answer, parts=fold.parts, content=fold.content, usage=total(usages))
    if not ended:
        missing.append(Complete.of(answer))
        await _write(journal, conversation_id, turn_id, missing)
    try:
        await store.messages.save(answer)
    except StoreError:
        raise
    # Whatever it is, such as arguments nested too deeply to be written: the server has to start.
    except Exception as error:
        logger.error("The answer of turn %s is stored as text alone: %s", turn_id, error, exc_info=error)
        text = [TextPart(content=answer.content)]
        await store.messages.save(msgspec.structs.replace(answer, parts=text))
    return True


def _fold(events: Sequence[MessageEvent]) -> Fold:
    fold = Fold()
    for event in events:
        fold.apply(event)
    return fold


async def _cut_off_tools(store: Store, fold: Fold, turn_id: str) -> list[MessageEvent]:
    started = await store.tool_runs.started(turn_id)
    calls = [part for part in fold.parts if isinstance(part, ToolCallPart)]
    return [
        fold.cut_off(call.tool_call_id) for call in calls if not call.done and call.tool_call_id in started
    ]


def _usages(
    seen: Sequence[MessageEvent], answer: Message, history: Sequence[Message]
) -> tuple[list[Usage], list[MessageEvent]]:
    """What each provider call cost; the last one's is a guess if the provider had no time to tell."""
    reports = [event for event in seen if isinstance(event, UsageReport)]
    usages = [
        Usage(**{name: getattr(report, name) for name in Usage.__struct_fields__}) for report in reports
    ]
    unpaid = _said_since_last_usage(seen)
    if not unpaid:
        return usages, []
    said = [message for message in history if message.id != answer.id]
    prompt = Prompt(model=answer.model or "", messages=prompt_messages(None, said))
    guess = estimate(prompt, sum(map(len, unpaid)))
    return [*usages, guess], [UsageReport(**msgspec.structs.asdict(guess))]


def _said_since_last_usage(seen: Sequence[MessageEvent]) -> list[str]:
    """The texts of the provider call that has not told what it cost."""
    said: list[str] = []
    for event in seen:
        match event:
            case UsageReport():
                said = []
            case TextDelta() | ReasoningDelta() | RefusalDelta():
                said.append(event.content)
            case ToolCallStart():
                said.append(event.tool_name)
            case ToolCallDelta():
                said.append(event.args_delta)
            case _:
                pass
    return said


def _ended(answer: Message, seen: Sequence[MessageEvent]) -> tuple[Message, list[MessageEvent]]:
    """The answer with the end that it had come to, and the events that tell of it if none did."""
    outcome: TurnOutcome = "interrupted"
    failure: Failure | None = CRASHED
    missing: list[MessageEvent] = [Error(**msgspec.structs.asdict(CRASHED))]
    for event in seen:
        match event:
            case Stopped():
                outcome, failure, missing = "stopped", None, []
            case Error():
                outcome, missing = "error", []
                failure = Failure(code=event.code, message=event.message, retryable=event.retryable)
            case Complete():
                outcome, missing = event.status, []
                failure = failure if event.status in ("error", "interrupted") else None
            case _:
                pass
    return msgspec.structs.replace(answer, status=outcome, error=failure), missing


def _start(messages: Sequence[Message], answer: Message) -> Start:
    user = next((message for message in messages if message.role == "user"), answer)
    return Start(
        turn_id=answer.turn_id,
        message_id=answer.id,
        user_message_id=user.id,
        client_message_id=answer.client_message_id or user.client_message_id,
        model=answer.model or "",
    )


async def _write(
    journal: Journal, conversation_id: str, turn_id: str, events: Sequence[MessageEvent]
) -> None:
    last = (await journal.position(conversation_id)).number
    numbered = enumerate(events, last + 1)
    await journal.write([Written.of(conversation_id, number, turn_id, event) for number, event in numbered])
