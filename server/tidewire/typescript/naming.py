"""Names for types, so that no two are alike."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, count
from typing import Final, TypeVar

K = TypeVar("K")

# What the file says itself; a class called like that is called by its module, too.
_RESERVED: Final = frozenset(
    [
        *("AsyncIterable", "Blob", "Date", "FormData", "Map", "Partial", "Record", "Set", "Uint8Array"),
        *("AppRouter", "AppRouterRecord", "TRPCBuiltRouter", "TRPCDefaultErrorShape"),
        *("TRPCMutationProcedure", "TRPCQueryProcedure", "TRPCSubscriptionProcedure"),
    ]
)


def choices(module: str, qualname: str, suffix: str) -> Sequence[str]:
    """Give names for a class, each longer than the one before: `Item`, `BoxItem`, `StockBoxItem`."""
    parts = [*module.split("."), *(part for part in qualname.split(".") if part != "<locals>")]
    inner = len(module.split("."))
    # First the class with the classes around it, then the whole with the modules around that.
    starts = [*range(len(parts) - 1, inner - 1, -1), *range(inner - 1, -1, -1)]
    return ["".join(map(_pascal, parts[start:])) + suffix for start in starts]


def unique(wanted: Mapping[K, Sequence[str]]) -> dict[K, str]:
    """Give each its first choice that nobody else wants; all who want the same move on together.

    So a name does not depend on who comes first. Only those that run out of choices are numbered.
    """
    level = dict.fromkeys(wanted, 0)
    while True:
        chosen = {key: names[level[key]] for key, names in wanted.items()}
        times = Counter(chosen.values())
        clashing = [
            key
            for key, name in chosen.items()
            if (times[name] > 1 or name in _RESERVED) and level[key] < len(wanted[key]) - 1
        ]
        if not clashing:
            return dict(_numbered(chosen))
        for key in clashing:
            level[key] += 1


def _numbered(chosen: Mapping[K, str]) -> Iterator[tuple[K, str]]:
    taken = set(_RESERVED)
    for key, name in chosen.items():
        numbered = (f"{name}{number}" for number in count(2))
        free = next(choice for choice in chain([name], numbered) if choice not in taken)
        taken.add(free)
        yield key, free


def _pascal(name: str) -> str:
    """Write `stock_item` as `StockItem`: TypeScript's own words are in lower case."""
    joined = "".join(word[:1].upper() + word[1:] for word in re.split(r"[\W_]+", name))
    return joined if joined.isidentifier() else name
