"""What types are called."""

import sys
from collections.abc import Iterator
from enum import Enum, IntEnum
from types import ModuleType
from typing import Any, Generic, Literal, Optional, TypeVar

import msgspec
import pytest
from msgspec import Struct

from tests.tidewire.typescript.generated import (
    declared,
    giving,
    input_type,
    names,
    output_type,
    properties,
    text_of,
)
from tidewire import Router

T = TypeVar("T")
B = TypeVar("B", bound=int)


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Word(Enum):
    A = "long" * 20 + "0"
    B = "long" * 20 + "1"
    C = "long" * 20 + "2"


class Cat(Struct, tag=True):
    color: Color


class Dog(Struct, tag=True):
    pass


Side = Literal["left", "right"]
Pet = Cat | Dog
NumberOrText = int | str
MaybeText = str | None


class Page(Struct, Generic[T]):
    items: list[T]


class Limited(Struct, Generic[B]):
    value: B


class CatPage(Page[Cat]):
    pass


class Outer:
    class Inner(Struct):
        pass


class Date(Struct):
    pass


class snake_case(Struct):  # noqa: N801
    pass


class Home(Struct):
    pet: Pet
    guest: Pet | None
    side: Side | None


# ---------- enumerations, unions, generic classes


def test_an_enumeration_is_the_union_of_its_values() -> None:
    assert declared("Color", text_of(giving(Color))) == 'export type Color = "red" | "blue";'
    assert declared("Level", text_of(giving(Level))) == "export type Level = 1 | 2;"


def test_a_union_has_the_name_that_its_module_gives_it() -> None:
    assert output_type(Pet) == input_type(Pet) == "Pet"
    assert declared("Pet", text_of(giving(Pet))) == "export type Pet = Cat | Dog;"


def test_a_union_of_classes_has_its_name_however_it_is_written() -> None:
    assert output_type(Dog | Cat) == "Pet"
    assert output_type(Optional[Pet]) == "Pet | null"  # noqa: UP045 - the older way counts, too
    assert properties("Home", text_of(giving(Home))) == [
        "pet: Pet;",
        "guest: Pet | null;",
        "side: Side | null;",
    ]


def test_a_union_that_merely_looks_alike_has_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[giving.__module__], "NumberOrText", NumberOrText, raising=False)
    assert output_type(NumberOrText) == "NumberOrText"
    assert output_type(int | str) == "number | string"


def test_a_generic_class_keeps_its_type_variables() -> None:
    text = text_of(giving(Page[Page[int]]))
    assert "output: Page<Page<number>>;" in text
    assert declared("Page", text) == "export type Page<T> = {\n  items: T[];\n};"


def test_an_open_type_variable_is_its_bound() -> None:
    assert output_type(Page) == "Page<unknown>"
    assert output_type(Limited) == "Limited<number>"


def test_a_class_that_closes_a_generic_one_has_plain_fields() -> None:
    assert properties("CatPage", text_of(giving(CatPage))) == ["items: Cat[];"]


def test_a_long_union_has_one_member_a_line() -> None:
    assert declared("Word", text_of(giving(Word))).splitlines() == [
        "export type Word =",
        *(f'  | "{"long" * 20}{n}"{";" if n == 2 else ""}' for n in range(3)),
    ]


# ---------- clashes


@pytest.fixture
def modules() -> Iterator[dict[str, Any]]:
    """A class called Item in each of three modules, by module."""
    paths = ["shop.orders", "shop.stock", "lab.stock"]
    for path in paths:
        sys.modules[path] = ModuleType(path)
    yield {path: msgspec.defstruct("Item", [("place", Literal[path])], module=path) for path in paths}
    for path in paths:
        del sys.modules[path]


def giving_both(first: Any, second: Any) -> Router:
    return Router(a=giving(first), b=giving(second))


def test_classes_of_one_name_are_called_by_their_modules(modules: dict[str, Any]) -> None:
    text = text_of(giving_both(modules["shop.orders"], modules["shop.stock"]))
    assert names(text) == ["OrdersItem", "StockItem"]


def test_as_much_of_the_module_is_named_as_it_takes(modules: dict[str, Any]) -> None:
    text = text_of(giving_both(modules["shop.stock"], modules["lab.stock"]))
    assert names(text) == ["ShopStockItem", "LabStockItem"]


def test_names_do_not_depend_on_the_order_of_procedures(modules: dict[str, Any]) -> None:
    there = text_of(giving_both(modules["shop.orders"], modules["shop.stock"]))
    back = text_of(giving_both(modules["shop.stock"], modules["shop.orders"]))
    assert sorted(names(there)) == sorted(names(back))


def local(n: int) -> Any:
    class Item(Struct):
        place: Literal[1] if n == 1 else Literal[2]  # type: ignore[valid-type]

    return Item


def test_classes_that_nothing_tells_apart_are_numbered() -> None:
    first, second = names(text_of(giving_both(local(1), local(2))))
    assert second == f"{first}2"


def test_a_class_inside_another_has_its_own_name() -> None:
    assert output_type(Outer.Inner) == "Inner"


def test_a_name_in_lower_case_begins_with_a_capital() -> None:
    assert output_type(snake_case) == "SnakeCase"


def test_a_name_that_the_file_needs_itself_is_not_taken() -> None:
    assert output_type(Date) == "TestNamesDate"


# ---------- keys


class Headers(Struct):
    content_type: str = msgspec.field(name="content-type")
    delete: bool


def test_a_key_has_quotes_only_where_it_needs_them() -> None:
    assert properties("Headers", text_of(giving(Headers))) == ['"content-type": string;', "delete: boolean;"]


def test_the_record_is_nested_as_the_routers_are() -> None:
    text = text_of(Router(first_one=Router(second=giving(int))))
    assert (
        "export type AppRouterRecord = {\n  firstOne: {\n    second: {\n      read: TRPCQueryProcedure<{"
        in text
    )


def test_only_what_is_used_is_imported() -> None:
    assert text_of(giving(int)).split("import type {\n")[1].split("}")[0].split() == [
        "TRPCBuiltRouter,",
        "TRPCDefaultErrorShape,",
        "TRPCQueryProcedure,",
    ]
    assert "export type AppRouterRecord = {};" in text_of(Router())


def test_the_same_router_gives_the_same_text() -> None:
    assert text_of(giving(Home)) == text_of(giving(Home))


# ---------- type statements

if sys.version_info >= (3, 12):
    STATEMENTS = """
from typing import Annotated
from msgspec import Meta

type Id = Annotated[str, Meta(min_length=1)]
type Ids = dict[Id, Id | None]
type Pair[T] = tuple[T, T]
"""

    def test_a_type_statement_is_a_named_type() -> None:
        stated: dict[str, Any] = {"__name__": "stated"}
        exec(STATEMENTS, stated)
        text = text_of(giving_both(stated["Ids"], stated["Pair"][int]))
        assert names(text) == ["Ids", "Id"]
        assert declared("Ids", text) == "export type Ids = Record<string, Id | null>;"
        assert declared("Id", text) == "/** @minLength 1 */\nexport type Id = string;"
        assert "output: [number, number];" in text
