"""Every link of the stock client, both versions, both transformers, against a real server process."""

import asyncio
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from tests.conformance.client import CLIENT_VERSIONS, ClientVersion
from tests.processes import Server, node, serve

TRANSFORMERS: Final = ("none", "superjson")

# What is tried is in `clients/links.mjs`, under these names.
LINKS: Final = (
    "wsLink",
    "wsLink-subscriptions",
    "wsLink-connectionParams",
    "wsLink-abort",
    "httpLink",
    "httpLink-methodOverride",
    "httpLink-uploads",
    "httpLink-abort",
    "httpLink-methodOverride-abort",
    "httpBatchLink",
    "httpBatchLink-methodOverride",
    "httpBatchLink-abort",
    "httpBatchStreamLink",
    "httpBatchStreamLink-methodOverride",
    "httpBatchStreamLink-nested",
    "httpBatchStreamLink-abort",
    "httpSubscriptionLink",
    "httpSubscriptionLink-connectionParams",
    "httpSubscriptionLink-lastEventId",
    "httpSubscriptionLink-cut",
    "retryLink-wsLink",
    "retryLink-httpSubscriptionLink",
    "splitLink",
)

# The older client's wsLink does not look at the signal.
CASES: Final = [
    (link, version, transformer)
    for link in LINKS
    for version in CLIENT_VERSIONS
    for transformer in TRANSFORMERS
    if (link, version) != ("wsLink-abort", "11.18")
]

Failures = Mapping[str, str | None]
"""Of one client, by trial; None is a success."""


async def try_links(server: Server, version: ClientVersion, transformer: str) -> Failures:
    arguments = ["--url", server.url, "--version", version, "--transformer", transformer]
    lines = node("clients/links.mjs", *arguments, seconds=30)
    return {line["trial"]: line["failure"] async for line in lines}


# The clients only wait for most of the time, so all of them run at once.
@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outcomes(
    request: pytest.FixtureRequest, node_modules: Path
) -> Mapping[tuple[ClientVersion, str], Failures]:
    """How the trials ended, for each client that this run asks for."""
    asked = {
        (item.callspec.params["version"], str(item.callspec.params["transformer"]))
        for item in request.session.items
        if isinstance(item, pytest.Function) and "outcomes" in item.fixturenames
    }

    async def of_transformer(transformer: str) -> dict[tuple[ClientVersion, str], Failures]:
        versions: list[ClientVersion] = [
            version for version in CLIENT_VERSIONS if (version, transformer) in asked
        ]
        environment = {"LINKS_TRANSFORMER": transformer}
        async with serve("tests.conformance.links_app:app", env=environment) as server:
            tried = await asyncio.gather(*(try_links(server, version, transformer) for version in versions))
        return {(version, transformer): failures for version, failures in zip(versions, tried, strict=True)}

    transformers = sorted({transformer for _, transformer in asked})
    found = await asyncio.gather(*map(of_transformer, transformers))
    return dict(itertools.chain.from_iterable(part.items() for part in found))


@pytest.mark.parametrize(("link", "version", "transformer"), CASES)
def test_the_link_works_unmodified(
    link: str,
    version: ClientVersion,
    transformer: str,
    outcomes: Mapping[tuple[ClientVersion, str], Failures],
) -> None:
    failures = outcomes[version, transformer]
    assert link in failures, "the client ended before this trial did"
    if failures[link] is not None:
        pytest.fail(f"{link}: {failures[link]}", pytrace=False)
