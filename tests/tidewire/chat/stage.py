"""Single turns on a database, and what each of them says."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from tests.tidewire.chat.scripted import WAIT_SECONDS, ScriptedProvider, Step
from tidewire.chat.answering import AnswerSettings
from tidewire.chat.events import Complete, Error, MessageEvent, Start, Title, UsageReport
from tidewire.chat.log import Channel, Log
from tidewire.chat.models import Message, TextPart, Usage
from tidewire.chat.providers import ProviderError, ProviderTruncatedError
from tidewire.chat.recorder import Recorder
from tidewire.chat.store import Store
from tidewire.chat.tools import Tool, Toolbox, tool
from tidewire.chat.turn import Turn, TurnRequest, TurnServices

USAGE_TOLD = Usage(input_tokens=7, output_tokens=5, estimated=False)
OVERLOADED = ProviderError(
    "SERVICE_UNAVAILABLE", "The model is overloaded.", retryable=True, detail="HTTP 503"
)
CUT = ProviderTruncatedError("BAD_GATEWAY", "The model broke off.", retryable=True)
NOT_SAVED = Error(code="INTERNAL_SERVER_ERROR", message="The answer cannot be saved.", retryable=False)


class Heard(Recorder):
    """Keeps what a turn records, as it does."""

    def __init__(self, channel: Channel, turn_id: str, changed: asyncio.Event) -> None:
        super().__init__(channel, turn_id)
        self.events: list[MessageEvent] = []
        self._changed = changed

    def put(self, event: MessageEvent) -> None:
        super().put(event)
        self._note(event)

    def put_last(self, event: MessageEvent, on_written: Callable[[], None] | None = None) -> None:
        super().put_last(event, on_written)
        self._note(event)

    def _note(self, event: MessageEvent) -> None:
        self.events.append(event)
        self._changed.set()


class Stage:
    """Runs turns on one database, and keeps what each of them says."""

    def __init__(self, store: Store, provider: ScriptedProvider) -> None:
        self.store = store
        self.provider = provider
        self.log = Log(store.events)
        self.ended: list[str] = []
        """The turns that said so, in order."""
        self.events: dict[str, list[MessageEvent]] = {}
        self.turns: list[Turn] = []
        self.changed = asyncio.Event()
        self.slots = asyncio.Semaphore(10)
        self.tools: list[Tool[..., Any]] = []
        self.max_history_messages = 20

    async def start(
        self, content: str = "Hello", *, conversation_id: str | None = None, max_tool_rounds: int = 8
    ) -> Turn:
        """Store a message and the answer to come, and start the turn."""
        if conversation_id is None:
            conversation_id = (await self.store.conversations.create("ann")).id
        toolbox = Toolbox(self.tools, default_timeout=WAIT_SECONDS)
        settings = AnswerSettings(model="scripted-1", tools=toolbox.specs(), max_tool_rounds=max_tool_rounds)
        number = len(self.events) + 1
        user = message(conversation_id, f"turn{number}", "user", content)
        answer = message(conversation_id, f"turn{number}", "assistant", "")
        begun = await self.store.messages.begin_turn("ann", user, answer, content)
        services = TurnServices(
            store=self.store,
            provider=self.provider,
            toolbox=toolbox,
            slots=self.slots,
            max_history_messages=self.max_history_messages,
        )
        channel = await self.log.join(conversation_id)
        heard = Heard(channel, user.turn_id, self.changed)
        self.events[user.turn_id] = heard.events

        def end() -> None:
            self.ended.append(user.turn_id)
            self.log.leave(channel)

        title = content if begun.is_titled else None
        request = TurnRequest(owner="ann", user=user, answer=answer, settings=settings, title=title)
        self.turns.append(Turn(request, services, heard, end))
        return self.turns[-1]

    async def play(self, *scripts: Iterable[Step], **options: Any) -> tuple[list[MessageEvent], Message]:
        """Run a turn to its end; gives its events, and its answer as it is stored."""
        self.provider.script(*scripts)
        turn = await self.start(**options)
        async with asyncio.timeout(WAIT_SECONDS):
            await turn.ended()
        return self.events[turn.id], await self.stored(turn)

    async def at_gate(self, *scripts: Iterable[Step], **options: Any) -> Turn:
        """Start a turn and wait until the provider has come to a gate in its script."""
        self.provider.script(*scripts)
        turn = await self.start(**options)
        async with asyncio.timeout(WAIT_SECONDS):
            await self.provider.waiting.wait()
        return turn

    async def until(self, turn: Turn, kind: type[MessageEvent]) -> None:
        """Wait until the turn has said something of this kind."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not any(isinstance(event, kind) for event in self.events[turn.id]):
                self.changed.clear()
                await self.changed.wait()

    async def stored(self, turn: Turn) -> Message:
        _, answer = await self.store.messages.turn(turn.id)
        return answer


def message(conversation_id: str, turn_id: str, role: Any, content: str) -> Message:
    return Message(
        id=f"{turn_id}-{role}-{conversation_id}",
        conversation_id=conversation_id,
        turn_id=turn_id,
        role=role,
        status="streaming" if role == "assistant" else "ok",
        content=content,
        parts=[TextPart(content=content)] if content else [],
        created_at=datetime.now(UTC),
    )


def complete(status: Any, **fields: Any) -> Complete:
    return Complete(message_id="", status=status, **fields)


def without_ids(events: Iterable[MessageEvent]) -> list[MessageEvent]:
    """The events with ids that differ from run to run left out."""
    return [
        msgspec.structs.replace(event, message_id="") if isinstance(event, Complete) else event
        for event in events
        if not isinstance(event, Start | Title | UsageReport)
    ]


@tool
async def double(number: int) -> int:
    """Double a number."""
    return 2 * number
