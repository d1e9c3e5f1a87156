"""A router that uses every kind of type, for the compiler to judge what is generated from it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, TypedDict, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from tidewire import ByteStream, Form, Router, Tracked, tracked

T = TypeVar("T")


class Color(Enum):
    """What to paint with."""

    RED = "red"
    BLUE = "blue"


class Priority(IntEnum):
    LOW = 1
    HIGH = 2


Side = Literal["left", "right"]
"""Where it is."""


class Scalars(Struct, rename="camel"):
    """One field for each scalar."""

    a_boolean: bool
    an_int: int
    a_float: float
    a_text: str
    some_bytes: bytes
    a_moment: datetime
    a_day: date
    a_time: time
    a_duration: timedelta
    an_id: UUID
    a_price: Decimal
    nothing: None
    anything: Any
    a_color: Color
    a_priority: Priority
    a_side: Side
    one_or_two: Literal[1, 2, "three", True]


class Collections(Struct, rename="camel"):
    """One field for each way to hold many."""

    names: list[str]
    sides: Sequence[Side | None]
    unique: set[int]
    frozen: frozenset[str]
    by_name: dict[str, int]
    by_color: dict[Color, int]
    by_number: Mapping[int, str]
    by_id: dict[UUID, bool]
    pair: tuple[int, str]
    many: tuple[int, ...]
    untyped: list[Any]
    loose: dict[str, Any]


class Absence(Struct, rename="camel", omit_defaults=True):
    """What may be absent, null, or both. The client sees it otherwise than it sends it."""

    required: str
    nullable: str | None
    defaulted: int = 5
    absent: str | None = None
    unset: str | UnsetType = UNSET
    unset_or_null: str | UnsetType | None = UNSET
    made: list[int] = []


class Kept(Struct, rename="camel"):
    """Defaults are sent, since nothing says to leave them out."""

    size: Annotated[int, Meta(ge=1, le=10)] = 3
    note: str | None = None


class Circle(Struct, tag="circle", tag_field="kind"):
    radius: Annotated[float, Meta(gt=0)]


class Square(Struct, tag="square", tag_field="kind"):
    side: float


Shape = Circle | Square
"""Anything that can be drawn."""


class Node(Struct, rename="camel"):
    """A tree."""

    label: str
    children: list["Node"] = []
    parent_of: "Node | None" = None
    shape: Shape | None = None


class Page(Struct, Generic[T], rename="camel", omit_defaults=True):
    """Some items of a list."""

    items: list[T]
    next_cursor: str | None = None
    """Leads to the next page."""


class Point(NamedTuple):
    x: float
    y: float
    label: str | None = None


class Row(Struct, array_like=True, tag=True):
    number: int
    text: str = ""


@dataclass
class Box:
    """A dataclass."""

    width: int
    tags: list[str] = field(default_factory=list)


class Options(TypedDict):
    """A typed dictionary."""

    verbose: bool
    depth: NotRequired[int]


class Others(Struct, rename="camel"):
    """Classes that are no Structs, and keys that are no identifiers."""

    point: Point
    row: Row
    box: Box
    options: Options
    content_type: str = msgspec.field(name="content-type", default="text/plain")
    """What the text is; a comment cannot be closed by */ in it."""


values = Router()
uploads = Router()
events = Router()


@values.query
async def scalars(input: Scalars) -> Scalars:
    """Give back scalars."""
    return input


@values.query
async def collections(input: Collections) -> Collections:
    return input


@values.mutation
async def absence(input: Absence) -> Absence:
    """Give back what may be absent.

    Comes in two paragraphs.
    """
    return input


@values.mutation
async def kept(input: Kept = Kept()) -> Kept:  # noqa: B008
    return input


@values.query
async def others(input: Others) -> Others:
    return input


@values.query
async def draw(shape: Shape, *, fallback: Shape | None = None) -> Shape:
    return fallback or shape


@values.query
async def tree(depth: Annotated[int, Meta(ge=0, le=20)] = 3) -> Node:
    return Node("root" * depth)


@values.query
async def page(
    search: Annotated[str, Meta(min_length=1, max_length=200)],
    tags: list[Annotated[str, Meta(pattern="^[a-z]+$")]] | None = None,
    cursor: str | None = None,
) -> Page[Box]:
    return Page([])


@values.query
async def moments() -> Page[datetime | None]:
    return Page([])


@values.mutation
async def nothing() -> None:
    return None


@values.query
async def maybe(found: bool) -> Color | UnsetType:
    return Color.RED if found else UNSET


@values.query
async def anything(input: Any) -> Any:
    return input


@uploads.mutation
async def form(input: Form) -> int:
    return len(input.getall("file"))


@uploads.mutation
async def stream(input: ByteStream) -> int:
    return len(await input.read())


@events.subscription
async def watch(room_id: str, *, last_event_id: str | None = None) -> AsyncIterator[Tracked[Shape]]:
    """Follow a room."""
    yield tracked("1", Circle(1.0))


@events.subscription
async def ticks() -> AsyncIterator[datetime]:
    yield datetime.min


@events.subscription
async def mixed(until: datetime | None = None) -> AsyncIterator[Tracked[Kept] | Side]:
    yield "left"


router = Router(values=values, uploads=uploads, events=events)
