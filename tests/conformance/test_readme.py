"""The README's examples run, as they stand there."""

import asyncio
import re
from pathlib import Path

from tests.conformance.client import CLIENT_VERSIONS, StockClient
from tests.processes import CONFORMANCE, ROOT, serve


def example(language: str) -> str:
    """The README's only block in `language`."""
    (code,) = re.findall(rf"^```{language}\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    return str(code)


async def test_the_front_end_example_prints_a_turn_with_tool_calls(
    node_modules: Path, tmp_path: Path
) -> None:
    async with serve(cwd=tmp_path) as server:
        code = example("js").replace("ws://127.0.0.1:8000", server.url.replace("http", "ws"))
        # From standard input, imports are looked up in the working directory.
        process = await asyncio.create_subprocess_exec(
            "node",
            "--input-type=module",
            cwd=CONFORMANCE / "trpc" / "11.25",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(30):
            output, _ = await process.communicate(code.encode())
    printed = output.decode()
    assert process.returncode == 0, printed
    assert printed.index("toolName: 'current_time'") < printed.index("type: 'text_delta'")
    assert "result: 42" in printed
    assert printed.index("type: 'complete'") > printed.rindex("type: 'text_delta'")


async def test_the_python_example_serves_the_stock_client(node_modules: Path, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(example("python"))
    async with serve("app:app", cwd=tmp_path) as server:
        url = f"{server.url}/api/trpc"
        for version in CLIENT_VERSIONS:
            async with StockClient(url, version=version) as client:
                assert await client.query("greet", {"name": "Ada"}) == "Hello, Ada!"
                async with client.subscribe("count", {"to": 2}) as events:
                    assert [event async for event in events] == [
                        {"id": "1", "data": 1},
                        {"id": "2", "data": 2},
                    ]
