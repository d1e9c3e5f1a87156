"""The work of a turn: provider calls, and rounds of tools between them."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from typing import Final, TypeVar

import msgspec

from .events import (
    MessageEvent,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallComplete,
    ToolCallDelta,
    ToolCallStart,
    UsageReport,
)
from .fold import Fold
from .models import Usage
from .providers.base import (
    Delta,
    Finish,
    Prompt,
    PromptMessage,
    Provider,
    ProviderError,
    ProviderTruncatedError,
    Reasoning,
    Refusal,
    Text,
    TokenUsage,
    ToolCallArguments,
    ToolCallBegin,
    ToolRequest,
    ToolSpec,
)
from .recorder import Recorder
from .store import ToolRuns
from .tools import Toolbox, ToolContext, result_text
from .unicode import repaired, without_nul
from .usage import estimate

_D = TypeVar("_D", ToolCallBegin, TokenUsage)

MAX_CHARACTERS: Final = 8 << 20
"""Of what a model may say in one turn, tool calls included; none does, unless it has lost its way."""

DELTAS_AT_A_TIME: Final = 16
"""That one turn takes before others have their turn: half a millisecond's worth."""

MAX_CALLS: Final = 64
"""Tool calls of one round that are run; the others are refused."""

TOOLS_AT_ONCE: Final = 16
"""Of one turn."""


class AnswerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the model is asked."""

    model: str
    system_prompt: str | None = None
    temperature: float | None = None
    max_output_tokens: int | None = None
    tools: Sequence[ToolSpec] = ()
    max_tool_rounds: int = 8
    """Provider calls that may end in tool calls; the one after them is offered no tools."""


class Answering:
    """One answer in the making.

    Args:
        tool_runs: is told of tools before they run.
        record: takes the events, in order.
        conversation_id, turn_id, owner: what tools and their ledger are told.
    """

    def __init__(
        self,
        *,
        settings: AnswerSettings,
        provider: Provider,
        toolbox: Toolbox,
        tool_runs: ToolRuns,
        record: Recorder,
        conversation_id: str,
        turn_id: str,
        owner: str,
    ) -> None:
        self.fold: Fold = Fold()
        """What the answer is made of so far."""
        self.usages: list[Usage] = []
        """What each provider call cost, those that broke off included, but not those that were refused."""
        self.finish_reason: str | None = None
        """The provider's word about its last call."""
        self._settings = settings
        self._provider = provider
        self._toolbox = toolbox
        self._tool_runs = tool_runs
        self._record = record
        self._conversation_id = conversation_id
        self._turn_id = turn_id
        self._owner = owner
        self._call_ids: set[str] = set()
        self._characters = 0
        self._deltas = 0
        self._places = asyncio.Semaphore(TOOLS_AT_ONCE)

    async def run(self, messages: Sequence[PromptMessage]) -> None:
        """Answer the prompt `messages`; cancelling closes the provider's stream and stops the tools.

        Raises:
            ProviderError: the provider failed, called tools that it was not offered, or did not come to
                an end.
            StoreError: events, or the ledger of tools, cannot be written.
        """
        so_far = list(messages)
        for tools in [*[self._settings.tools] * self._settings.max_tool_rounds, ()]:
            said = await self._ask(so_far, tools)
            if not said.tool_calls:
                return
            results = await self._run_tools(said.tool_calls, tools)
            so_far += [said, *results]
        raise ProviderError(
            "BAD_GATEWAY", "The model keeps calling tools instead of answering.", retryable=True
        )

    async def _ask(self, messages: Sequence[PromptMessage], tools: Sequence[ToolSpec]) -> PromptMessage:
        """Make one provider call, publish its answer as it comes, and give it as a whole."""
        prompt = Prompt(
            model=self._settings.model,
            messages=messages,
            tools=tools,
            temperature=self._settings.temperature,
            max_output_tokens=self._settings.max_output_tokens,
        )
        reply = _Reply(prompt)
        try:
            async with aclosing(self._provider.stream(prompt)) as reads:
                async for deltas in reads:
                    for delta in deltas:
                        self._take(reply, delta)
                        self._deltas += 1
                        if self._record.is_behind:
                            await self._record.caught_up()
                        elif self._deltas % DELTAS_AT_A_TIME == 0:
                            # What is buffered comes without a pause, and others wait for theirs.
                            await asyncio.sleep(0)
        except ProviderError as error:
            reply.is_refused = not reply.has_begun and not isinstance(error, ProviderTruncatedError)
            raise
        finally:
            self._account(reply)
        return reply.as_message()

    def _take(self, reply: "_Reply", delta: Delta) -> None:
        reply.has_begun = True
        match delta:
            case Text(content):
                content = self._counted(content)
                reply.text.append(content)
                self._emit(TextDelta(content=content))
            case Reasoning(content):
                content = self._counted(content)
                reply.unseen_characters += len(content)
                self._emit(ReasoningDelta(content=content))
            case Refusal(content):
                content = self._counted(content)
                reply.unseen_characters += len(content)
                self._emit(RefusalDelta(content=content))
            case ToolCallBegin():
                index, wanted_id, name = msgspec.structs.astuple(_sound(delta))
                name = self._counted(name)
                call = _Call(self._unique(self._counted(wanted_id)), name)
                reply.calls.append(call)
                self._emit(ToolCallStart(tool_call_id=call.id, tool_name=name, index=index))
            case ToolCallArguments(index, piece):
                piece = self._counted(piece)
                call = reply.calls[index]
                call.arguments.append(piece)
                self._emit(ToolCallDelta(tool_call_id=call.id, args_delta=piece))
            case TokenUsage():
                reply.usage = _sound(delta)
            case Finish(reason):
                self.finish_reason = None if reason is None else repaired(reason)

    def _counted(self, piece: str) -> str:
        """A piece of what the model says, as it can be stored.

        Raises:
            ProviderError: it says too much.
        """
        self._characters += len(piece)
        if self._characters > MAX_CHARACTERS:
            raise ProviderError("BAD_GATEWAY", "The model does not come to an end.", retryable=True)
        return without_nul(piece)

    def _account(self, reply: "_Reply") -> None:
        if reply.is_refused:
            return
        usage = reply.cost()
        self.usages.append(usage)
        self._emit(UsageReport(**msgspec.structs.asdict(usage)))

    async def _run_tools(
        self, requests: Sequence[ToolRequest], offered: Iterable[ToolSpec]
    ) -> list[PromptMessage]:
        """Run the calls of one round at the same time; give their results in the model's order."""
        # The log first: after a crash, a tool that has begun can only be told of where its call is.
        await self._record.caught_up()
        started = [(request.id, request.name) for request in requests[:MAX_CALLS]]
        await self._tool_runs.start(self._conversation_id, self._turn_id, started)
        names = {tool.name for tool in offered}
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._run_tool(request, names if number < MAX_CALLS else set()))
                    for number, request in enumerate(requests)
                ]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _run_tool(self, request: ToolRequest, offered: set[str]) -> PromptMessage:
        context = ToolContext(self._conversation_id, self._owner, request.id)
        try:
            async with self._places:
                outcome = await self._toolbox.run(request, context, offered=offered)
        except asyncio.CancelledError:
            event = self.fold.cut_off(request.id)
            self._record.put_last(event)
            self.fold.apply(event)
            raise
        self._emit(
            ToolCallComplete(
                tool_call_id=request.id,
                tool_name=request.name,
                args=outcome.args,
                result=outcome.result,
                is_error=outcome.is_error,
                duration_ms=outcome.duration_ms,
            )
        )
        if self._record.is_behind:
            await self._record.caught_up()
        return PromptMessage(role="tool", content=result_text(outcome.result), tool_call_id=request.id)

    def _emit(self, event: MessageEvent) -> None:
        self._record.put(event)
        self.fold.apply(event)

    def _unique(self, wanted: str) -> str:
        """An id that no earlier call of the turn has: some providers number from 0 in each round."""
        call_id, copies = wanted, 1
        while call_id in self._call_ids:
            copies += 1
            call_id = f"{wanted}-{copies}"
        self._call_ids.add(call_id)
        return call_id


def _sound(delta: _D) -> _D:
    """A delta as its type says; texts show what they are when they are counted.

    Raises:
        ValidationError: the provider gave something else.
    """
    return msgspec.convert(msgspec.to_builtins(delta), type(delta))


class _Call(msgspec.Struct):
    """A tool call whose arguments still come in."""

    id: str
    name: str
    arguments: list[str] = msgspec.field(default_factory=list)


class _Reply(msgspec.Struct):
    """What one provider call has said so far."""

    prompt: Prompt
    text: list[str] = msgspec.field(default_factory=list)
    calls: list[_Call] = msgspec.field(default_factory=list)
    unseen_characters: int = 0
    """Of reasoning and refusals, which cost tokens but are not part of the next prompt."""
    usage: TokenUsage | None = None
    has_begun: bool = False
    """Whether anything has come, be it nothing to show."""
    is_refused: bool = False
    """Whether the provider did not take the prompt, or was never reached: it costs nothing."""

    def as_message(self) -> PromptMessage:
        requests = [ToolRequest(call.id, call.name, "".join(call.arguments)) for call in self.calls]
        return PromptMessage(role="assistant", content="".join(self.text), tool_calls=requests)

    def cost(self) -> Usage:
        if self.usage is not None:
            return Usage(estimated=False, **msgspec.structs.asdict(self.usage))
        arguments = sum(len(piece) for call in self.calls for piece in call.arguments)
        return estimate(self.prompt, sum(map(len, self.text)) + arguments + self.unseen_characters)
