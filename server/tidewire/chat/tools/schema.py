"""JSON schema as providers like it."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

_REF_TEMPLATE: Final = "#/$defs/{name}"

# Where a schema holds schemas. Anything else (`default`, `enum`, `examples`) is data, and a
# key `title` in it is the author's.
_NAMED_SCHEMAS: Final = frozenset({"properties", "$defs"})
_SCHEMA_LISTS: Final = frozenset({"anyOf", "prefixItems"})
_SCHEMAS: Final = frozenset({"items", "additionalProperties", "propertyNames"})


def object_schema(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """The schema of `struct` with the object itself on top, nested Structs under `$defs`, and no titles.

    Providers want `type: object` at the top, where msgspec writes a reference; titles repeat the
    names and cost tokens.

    Raises:
        TypeError: a field has a type that JSON schema cannot say.
    """
    (reference,), components = msgspec.json.schema_components([struct], ref_template=_REF_TEMPLATE)
    definitions = dict(components)
    top = definitions.pop(reference["$ref"].removeprefix(_REF_TEMPLATE.format(name="")))
    return _without_titles(top | {"$defs": definitions} if definitions else top)


def _without_titles(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _inner(key, value) for key, value in schema.items() if key != "title"}


def _inner(key: str, value: Any) -> Any:
    if key in _NAMED_SCHEMAS:
        return {name: _without_titles(schema) for name, schema in value.items()}
    if key in _SCHEMA_LISTS:
        return [_without_titles(schema) for schema in value]
    if key in _SCHEMAS and value is not False and value is not True:
        return _without_titles(value)
    return value
