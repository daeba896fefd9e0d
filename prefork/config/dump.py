"""Pure. The configuration as text: TOML that loads to an equal configuration, and its JSON Schema.

Rules. The TOML holds every key that has a value, defaults too, in the order of the models. It is for people to read:
sections as headers, small tables inline, durations and sizes with their units.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from prefork.config.locations import key_text, quoted
from prefork.config.models import Config
from prefork.config.models.catalogue import SECTIONS

# Tables that are one value to whoever reads them.
_INLINE = ("environment", "tls", "workers")


def toml(config: Config) -> str:
    """The effective configuration with every default. What is absent has no key: see ``schema`` for it."""
    data = config.model_dump(mode="json", exclude_none=True)
    del data["include"]  # what was included is in here
    return "\n".join(_table((), data)).strip() + "\n"


def schema() -> str:
    """The JSON Schema of the file, for editors. Names and types only: rules between keys are checked by ``-t``."""
    described = Config.model_json_schema(schema_generator=_Schema)
    for section in SECTIONS.values():
        properties = described["$defs"].get(section.__name__, described)["properties"]
        shown = section.model_construct().model_dump(mode="json", exclude_none=True, warnings=False)
        for name in shown.keys() & properties.keys():
            if "default" in properties[name]:
                properties[name]["default"] = shown[name]
    return json.dumps({"$schema": _Schema.schema_dialect, **described}, indent=2)


class _Schema(GenerateJsonSchema):
    """The JSON Schema without null, which TOML does not have: what may be absent is just not required.

    A key is its own title.
    """

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        described = super().default_schema(schema)
        if described.get("default", ...) is None:
            del described["default"]
        return described

    def field_title_should_be_set(self, schema: object) -> bool:
        return False


def _table(path: tuple[str, ...], table: Mapping[str, Any]) -> Iterator[str]:
    sections = {name: value for name, value in table.items() if isinstance(value, dict) and name not in _INLINE}
    lines = [f"{key_text((name,))} = {value_text(value)}" for name, value in table.items() if name not in sections]
    if lines:
        yield ""
        if path:
            yield f"[{key_text(path)}]"
        yield from lines
    for name, section in sections.items():
        yield from _table((*path, name), section)


def value_text(value: Any) -> str:
    """A value as TOML, as it stands in the file."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Mapping):
        inside = ", ".join(f"{key_text((name,))} = {value_text(entry)}" for name, entry in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    return f"[{', '.join(value_text(entry) for entry in value)}]"
