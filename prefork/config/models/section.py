"""Pure. What every section of the configuration has in common.

Rules. Frozen, no unknown key, no conversion between types: ``workers = "4"`` is a mistake, not a number. A fault
found by a rule of ours is made with ``wrong``, so that whoever prints it has the sentence and the hint apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from prefork.config.models.unsupported import UNSUPPORTED, refusal


def wrong(problem: str, hint: str = "") -> PydanticCustomError:
    """The error by which a validator reports one fault: a sentence and a hint, kept apart."""
    return PydanticCustomError("wrong", "{problem}", {"problem": problem, "hint": hint})


def all_wrong(faults: Iterable[tuple[tuple[str | int, ...], str, str]]) -> ValidationError:
    """The error by which a validator reports several faults, as (path, problem, hint)."""
    details = [InitErrorDetails(type=wrong(problem, hint), loc=path, input=None) for path, problem, hint in faults]
    return ValidationError.from_exception_data("faults", details)


class Section(BaseModel):
    """A table of the file. ``place`` is its key path, with ``*`` for the name of a pool or listener."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    place: ClassVar[str] = ""

    @classmethod
    def key_of(cls, field: str) -> str:
        """The full key of a field, such as ``pool.*.workers``."""
        return f"{cls.place}.{field}" if cls.place else field

    @field_validator("*", mode="wrap")
    @classmethod
    def _has_effect(cls, value: Any, validate: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        key = cls.key_of(info.field_name or "")
        default = cls.model_fields[info.field_name or ""].get_default(call_default_factory=True)
        if key in UNSUPPORTED and default is None:
            # What a whole section without effect holds does not matter.
            raise wrong("not yet supported", UNSUPPORTED[key])
        result = validate(value)
        hint = refusal(key, result)
        if hint is not None and result != default:
            raise wrong("not yet supported", hint)
        return result
