"""One connection before the load: is there a tRPC server that lets us in?"""

import asyncio
from typing import Final

import msgspec

from . import messages
from .plan import Plan, PlanError
from .wire import ConnectError, connect, tls_of

ANSWER_SECONDS: Final = 5.0


class Probe:
    """Sends tRPC's PING and keeps the first thing that comes. A `wire.Owner`.

    Servers older than PING answer it with an error, which tells what they are as well.
    """

    def __init__(self) -> None:
        self._heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.pinged: bool = False
        """The server has sent PING, its own or ours."""

    def received(self, data: list[bytes], size: int, now: int) -> None:
        for message in data:
            if message == messages.PING:
                self.pinged = True
            elif not self._heard.done():
                self._heard.set_result(message)

    def lost(self, code: str, message: str) -> None:
        if not self._heard.done():
            self._heard.set_exception(ConnectError(code, f"it takes the connection, but {message}"))

    async def heard(self) -> bytes:
        """Wait for the first message."""
        return await self._heard


async def probe(plan: Plan) -> Plan:
    """Find the address that answers, and give the plan with that one only.

    Raises:
        PlanError: none does as a tRPC server should.
    """
    failure: ConnectError | None = None
    for address in plan.addresses:
        narrowed = msgspec.structs.replace(plan, addresses=[address])
        try:
            await _greet(narrowed)
        except ConnectError as error:
            failure = failure or error
        else:
            return narrowed
    raise PlanError(f"{plan.url}: {failure}.")


async def _greet(plan: Plan) -> None:
    owner = Probe()
    wire = await connect(plan, owner, tls_of(plan))
    try:
        wire.send(messages.PING)
        async with asyncio.timeout(ANSWER_SECONDS):
            message = await owner.heard()
    except TimeoutError:
        does = "answers PING with PING" if owner.pinged else f"says nothing for {ANSWER_SECONDS:g} s"
        said = f"it is a WebSocket that {does}, not a tRPC server"
        raise ConnectError("SILENT", said) from None
    finally:
        wire.close()
    if message != messages.PONG:
        _judge(message)


def _judge(message: bytes) -> None:
    try:
        answer = messages.decode_answer(message)
    except msgspec.MsgspecError:
        answer = messages.Answer()
    if answer.error is not msgspec.UNSET:
        code, text = messages.read_error(answer.error)
        if code in ("PARSE_ERROR", "BAD_REQUEST"):
            return
        raise ConnectError(code, f"it refuses the connection with {code} ({text}); see --connection-params")
    if answer.method is None and answer.result is None:
        said = message[:60].decode(errors="replace")
        raise ConnectError("NOT_TRPC", f"it answers PING with {said!r}, so it is not a tRPC server")
