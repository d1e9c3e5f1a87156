"""Docstrings that only a module's source holds: of fields, and of names for types."""

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache


@cache
def docstrings(module: str) -> Mapping[str, str]:
    """Give the docstrings of a module's classes, fields and assignments by qualified name.

    Nothing for a module without source.
    """
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (KeyError, OSError, TypeError):
        return {}
    return dict(_in_body(tree.body, ""))


def _in_body(body: Sequence[ast.stmt], prefix: str) -> Iterator[tuple[str, str]]:
    for statement, following in zip(body, [*body[1:], None], strict=True):
        name = _assigned(statement)
        if name is not None and (doc := _literal(following)):
            yield prefix + name, doc
        elif isinstance(statement, ast.ClassDef):
            if doc := ast.get_docstring(statement):
                yield prefix + statement.name, doc
            yield from _in_body(statement.body, f"{prefix}{statement.name}.")
        elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from _in_body(statement.body, f"{prefix}{statement.name}.<locals>.")
        elif isinstance(statement, (ast.If, ast.Try, ast.With)):
            yield from _in_body(statement.body, prefix)


def _assigned(statement: ast.stmt) -> str | None:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
            return name
        case _:
            # `type X = ...` has a node of its own, which Python 3.11 does not know.
            target = getattr(statement, "name", None)
            return target.id if isinstance(target, ast.Name) else None


def _literal(statement: ast.stmt | None) -> str | None:
    match statement:
        case ast.Expr(value=ast.Constant(value=str(doc))):
            return inspect.cleandoc(doc)
        case _:
            return None
