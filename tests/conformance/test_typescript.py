"""What the TypeScript compiler, at its strictest, makes of the generated types with the stock clients."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.conformance.typescript.every_type import router
from tests.processes import CONFORMANCE, ROOT
from tidewire.typescript import TransformerName, generate

SOURCES: Final = CONFORMANCE / "typescript"
CHAT: Final = Path("client_js/app-router.d.ts")

WRONG: Final = (
    "expectTypeOf<Outputs['values']['kept']['note']>().toEqualTypeOf<string>();",
    "expectTypeOf<Outputs['values']['absence']['absent']>().toEqualTypeOf<string | null>();",
    "expectTypeOf<Outputs['values']['scalars']['aMoment']>().toEqualTypeOf<string>();",
    "expectTypeOf<Outputs['events']['watch']>().toEqualTypeOf<AsyncIterable<Shape>>();",
    "expectTypeOf<Shape>().toEqualTypeOf<any>();",
)


@pytest.fixture(scope="module", params=["11.18", "11.25"])
def project(
    request: pytest.FixtureRequest, node_modules: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A TypeScript project with one version of the stock client.

    Packages are found as Node finds them in the workspace of that version: there first, then
    in the folder around it.
    """
    around = tmp_path_factory.mktemp("trpc")
    (around / "node_modules").symlink_to(node_modules)
    version = str(request.param)
    root = around / version
    sources = root / SOURCES.relative_to(ROOT)
    sources.mkdir(parents=True)
    own = CONFORMANCE / "trpc" / version / "node_modules"
    if own.is_dir():
        (root / "node_modules").symlink_to(own)
    for file in (*SOURCES.glob("*.ts"), SOURCES / "tsconfig.json"):
        shutil.copy(file, sources / source_name(file))
    (root / "client_js").mkdir()
    shutil.copy(ROOT / CHAT, root / "client_js" / source_name(CHAT))
    return sources


def source_name(file: Path) -> str:
    """Name a declaration file as a source, for the compiler checks no declarations with `skipLibCheck`.

    Without that option it refuses the clients' own.
    """
    return file.name.replace(".d.ts", ".ts")


def compiler_output(project: Path) -> str:
    compiler = CONFORMANCE / "node_modules" / ".bin" / "tsc"
    done = subprocess.run(
        [compiler, "--project", "."], cwd=project, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode == 0) == (not done.stdout), done.stderr
    return done.stdout


@pytest.mark.parametrize("transformer", ["none", "superjson"])
def test_the_text_for_every_kind_of_type_is_the_recorded_one(transformer: TransformerName) -> None:
    recorded = (SOURCES / f"every-type.{transformer}.d.ts").read_text("utf-8")
    command = (
        f"tidewire typescript tests.conformance.typescript.every_type:router --transformer {transformer}"
    )
    assert generate(router, transformer=transformer, command=command) == recorded


def test_stock_clients_infer_the_exact_types(project: Path) -> None:
    if errors := compiler_output(project):
        pytest.fail(errors, pytrace=False)


def test_each_wrong_assertion_is_refused(project: Path) -> None:
    head = (
        "import type { inferRouterOutputs } from '@trpc/server';",
        "import { expectTypeOf } from 'expect-type';",
        "import type { AppRouter, Shape } from './every-type.superjson';",
        "type Outputs = inferRouterOutputs<AppRouter>;",
    )
    wrong = project / "wrong.ts"
    wrong.write_text("\n".join([*head, *WRONG]), "utf-8")
    try:
        refused = {int(line) for line in re.findall(r"^wrong\.ts\((\d+),", compiler_output(project), re.M)}
    finally:
        wrong.unlink()
    assert refused == {len(head) + number for number in range(1, len(WRONG) + 1)}


def test_both_versions_are_the_ones_that_their_folders_name(project: Path) -> None:
    version = project.parents[2].name
    resolved = next(
        folder / "node_modules/@trpc/server/package.json"
        for folder in project.parents
        if (folder / "node_modules/@trpc/server").is_dir()
    )
    assert f'"version": "{version}.' in resolved.read_text("utf-8")
