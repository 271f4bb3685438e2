"""What is wrong with a configuration file, said so that the file can be mended in one go."""

import difflib
import typing
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError


class ConfigError(Exception):
    """A configuration cannot be used: `problems` has every reason, its text one line for each."""

    def __init__(
        self, source: str, problems: Sequence[str], from_options: Collection[str] = ()
    ) -> None:
        lines = []
        for problem in problems:
            from_option = problem.split(":", 1)[0] in from_options
            lines.append(f"{'the command line' if from_option else source}: {problem}")
        super().__init__("\n".join(lines))
        self.problems = tuple(problems)


def nearest(word: str, known: Iterable[str], prefix: str = "") -> str:
    """`: did you mean X?` for the most similar known word, or nothing when none is similar."""
    matches = difflib.get_close_matches(word, list(known), n=1)
    return f": did you mean {prefix}{matches[0]}?" if matches else ""


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One text for each error: the key, what is wrong with it, the value and the bound."""
    problems = []
    details = error.errors(include_url=False)
    below = {detail["loc"][:1] for detail in details if len(detail["loc"]) > 1}
    for detail in details:
        location = detail["loc"]
        key = _key(location)
        match detail["type"]:
            case "too_short" if location in below:
                continue  # as entries with a problem do not count
            case "too_short" | "too_long":
                context = detail["ctx"]
                bound = context.get("min_length", context.get("max_length"))
                problems.append(f"{key}: value={len(detail['input'])}, bound={bound}")
            case "tuple_type" if isinstance(detail["input"], dict):
                problems.append(f"{key}: value=one table, bound=[[{key}]]")
            case "extra_forbidden":
                problems.append(f"unknown key {key}{_known_key(model, location)}")
            case "missing":
                problems.append(f"{key}: missing")
            case "value_error":
                # Raised by a model, the text begins with the field; by a field, with the value.
                text = str(detail["ctx"]["error"])
                problems.append(f"{key}{': ' if text.startswith('value=') else '.'}{text}")
            case _:
                text = detail["msg"][0].lower() + detail["msg"][1:]
                problems.append(f"{key}: {text}, value={str(detail['input'])[:80]!r}")
    return problems


def _known_key(model: type[BaseModel], location: Sequence[int | str]) -> str:
    """What an unknown key may have been meant to be: one of its table, or of another table."""
    word, siblings = str(location[-1]), _table(model, location[:-1]).model_fields
    parent = _key(location[:-1])
    meant = nearest(word, siblings, f"{parent}." if parent else "")
    if not meant:
        elsewhere = [key for key in _keys(model) if key.endswith(f".{word}")]
        meant = f": did you mean {' or '.join(elsewhere)}?" if elsewhere else ""
    return meant or f": known here are {', '.join(siblings)}"


def _keys(model: type[BaseModel]) -> Iterator[str]:
    """Every key below a model by its dotted name."""
    for name, field in model.model_fields.items():
        yield name
        if (below := _model_in(field.annotation)) is not None:
            yield from (f"{name}.{key}" for key in _keys(below))


def _key(location: Sequence[int | str]) -> str:
    """The dotted name of a place in the file: policy[0].rule[2].window."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def _table(model: type[BaseModel], location: Sequence[int | str]) -> type[BaseModel]:
    """The model of the table at a place: follows names, steps through arrays."""
    for part in location:
        below = _model_in(model.model_fields[part].annotation) if isinstance(part, str) else None
        model = below or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation is, or is an array of."""
    for kind in (annotation, *typing.get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None
