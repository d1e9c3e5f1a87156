"""Starts servers fast: imports what they are made of once, and forks for each of them.

    python -m tests.launcher SOCKET

Each connection to the Unix socket is one server: its first line is the order {"arguments": […], "env": {…},
"cwd": …}. A fork runs `tidewire` with the arguments. What comes back is {"pid": …}, the lines that it prints,
and at its end {"code": …}, negative for a signal. Ends with its stdin, and all servers with it.
"""

import json
import os
import select
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import uvloop

from tests.processes import READY
from tidewire.chat import create_chat_app
from tidewire.chat.store import migrate
from tidewire.cli import cli
from tidewire.runner import serve

PREPARED: Final = (uvloop, create_chat_app, migrate, serve)
"""What servers import only when they run."""


class Launcher:
    """Forks, and tells of the ends of what it forked."""

    def __init__(self, path: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen()
        self._children: dict[int, socket.socket] = {}

    def run(self) -> None:
        """Take orders until stdin ends."""
        signal.signal(signal.SIGCHLD, self._reap)
        print(READY, flush=True)
        while True:
            readable, _, _ = select.select([self._listener, sys.stdin], [], [])
            if sys.stdin in readable:
                break
            self._start(self._listener.accept()[0])
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)

    def _start(self, connection: socket.socket) -> None:
        order = json.loads(connection.makefile("rb").readline())
        # Between the two an end could be told before the beginning.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        pid = os.fork()
        if pid == 0:
            self._forget_launcher()
            _become_server(connection, **order)
        self._children[pid] = connection
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})

    def _forget_launcher(self) -> None:
        """A connection that others hold as well would never end."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        for each in [self._listener, *self._children.values()]:
            each.close()

    def _reap(self, *_: object) -> None:
        # Another signal may interrupt this, and what it does may leave nobody to wait for.
        with suppress(ChildProcessError):
            while self._children:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                with self._children.pop(pid) as connection:
                    _tell(connection, code=os.waitstatus_to_exitcode(status))


def _become_server(
    connection: socket.socket, arguments: Sequence[str], env: Mapping[str, str], cwd: str
) -> None:
    code: Any = 1
    try:
        _tell(connection, pid=os.getpid())
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for output in (1, 2):
            os.dup2(connection.fileno(), output)
        connection.close()
        os.environ.update(env)
        os.chdir(cwd)
        cli(arguments, prog_name="tidewire")
    except SystemExit as end:
        code = end.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)


def _tell(connection: socket.socket, **fields: int) -> None:
    try:
        # On a line of its own, whatever the last words of a killed server were.
        connection.sendall(b"\n" + json.dumps(fields).encode() + b"\n")
    except OSError:
        # Whoever gave the order has gone.
        return


if __name__ == "__main__":
    Launcher(sys.argv[1]).run()
