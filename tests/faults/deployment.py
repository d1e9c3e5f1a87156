"""A chat server over several lives: its database, its port and its upstream outlive each of them."""

from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.conformance.chat import API_KEY, Chat, Playbook
from tests.processes import Life, Server
from tests.upstream import Upstream

CRASHED: Final = 70
"""The exit code of a server that was told to crash."""


class Deployment:
    """Its servers are killed, ended and started again by the test, each on the port of the first.

        async with Deployment(launcher, tmp_path) as deployment:
            life = await deployment.start()
            await life.kill()
            await deployment.start()
            client = connect(deployment.url)

    Args:
        launcher: the socket of one, see `tests/launcher.py`.
        folder: where the database is.
        target: another application than the chat server.
        settings: environment variables of every life.
    """

    def __init__(self, launcher: Path, folder: Path, target: str | None = None, **settings: str) -> None:
        self.database = folder / "chat.db"
        self.upstream = Upstream()
        self.playbook = Playbook()
        self.lives: list[Life] = []
        self.url = ""
        """Of the endpoint; the same in every life."""
        self._launcher = launcher
        self._folder = folder
        self._target = [target] if target else []
        self._settings = settings

    async def __aenter__(self) -> Self:
        self.open_playbook()
        await self.upstream.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for life in self.lives:
            await life.kill()
        await self.upstream.__aexit__(kind, error, trace)
        assert not any(API_KEY in line for life in self.lives for line in life.log)

    async def start(self, *, port: int | None = None, **env: str) -> Life:
        """Start a server, on the usual port unless told otherwise; `env` are settings of this life only.

        Raises:
            RuntimeError: it ended before it listened; the message holds what it printed.
        """
        usual = self.url.rpartition(":")[2].partition("/")[0] or "0"
        settings = {
            "OPENAI_API_KEY": API_KEY,
            "OPENAI_BASE_URL": self.upstream.base_url,
            "DATABASE_URL": f"sqlite:///{self.database}",
            "TIDEWIRE_MAX_RETRIES": "0",
            "TIDEWIRE_TRANSFORMER": "none",
            **self._settings,
            **env,
        }
        chosen = usual if port is None else str(port)
        arguments = ["serve", *self._target, "--host", "127.0.0.1", "--port", chosen]
        life = Life()
        self.lives.append(life)
        await life.begin(self._launcher, {"arguments": arguments, "env": settings, "cwd": str(self._folder)})
        if port is None:
            self.url = f"{life.url}/api/trpc"
        return life

    def open_playbook(self) -> None:
        """Answer from now on as if nothing had been scripted, or asked."""
        self.playbook = Playbook()
        self.upstream.always(self.playbook)

    def chat(self, life: Life) -> Chat:
        """One life in the form that other tests use."""
        return Chat(Server(life.url, life.pid, life.log), self.upstream, self.playbook, self.database)
