"""Pure. ``[pool.NAME]`` and its sections: the workers of one application."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, GetCoreSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema

from prefork.config.models.section import Section, wrong
from prefork.config.models.values import (
    MOST_WORKERS,
    AbsolutePath,
    App,
    Count,
    Counts,
    Duration,
    Function,
    HeaderValue,
    Names,
    ProbePath,
    Proxies,
    Requests,
    Size,
    Surge,
    Texts,
    Variables,
    WorkerKind,
)
from prefork.config.models.values import Workers as OfWorkers
from prefork.config.suggest import did_you_mean

KIB = 1024
MIB = 1024 * KIB


class WorkerRange(Section):
    """How many workers a pool may have, by its load."""

    place: ClassVar[str] = "pool.*.workers"

    min: OfWorkers = Field(description="Never fewer.")
    max: OfWorkers = Field(description="Never more.")

    @model_validator(mode="after")
    def _ordered(self) -> WorkerRange:
        if self.min > self.max:
            raise wrong(f"min is {self.min} and max {self.max}", "min must not be greater than max")
        return self


class _WorkersRule:
    """Says which of the three forms is meant before it looks for faults, so that a fault names the key alone."""

    def __get_pydantic_core_schema__(self, _source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(
            _workers,
            handler.generate_schema(WorkerRange),
            serialization=core_schema.plain_serializer_function_ser_schema(_workers_shown),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: Any) -> dict[str, Any]:
        return {
            "anyOf": [{"type": "integer", "minimum": 1, "maximum": MOST_WORKERS}, {"const": "auto"}, handler(schema)]
        }


def _workers(value: object, validate_range: Any) -> Any:
    if isinstance(value, dict | WorkerRange):
        return validate_range(value)
    if value == "auto":
        return value
    form = 'a number of workers, "auto", or { min = 2, max = 16 }'
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 1:
            raise wrong(f"must be at least 1, not {value}")
        if value > MOST_WORKERS:
            raise wrong(f"must be at most {MOST_WORKERS}, not {value}")
        return value
    if isinstance(value, str):
        hint = "without quotation marks" if value.isdigit() else did_you_mean(value, ["auto"])
        raise wrong(f'must be {form}, not "{value}"', hint)
    raise wrong(f"must be {form}")


def _workers_shown(value: int | str | WorkerRange) -> Any:
    return value.model_dump() if isinstance(value, WorkerRange) else value


Workers = Annotated[int | Literal["auto"] | WorkerRange, _WorkersRule()]


class Timeout(Section):
    """Time limits; 0 switches one off."""

    place: ClassVar[str] = "pool.*.timeout"

    boot: Duration = Field(60.0, description="For a worker to become ready.")
    request: Duration = Field(
        30.0, description="For the application to answer; longer: stacks dumped, the worker aborted and replaced."
    )
    slow: Duration = Field(5.0, description="Longer: a stack dump to the log, and nothing else.")
    graceful: Duration = Field(30.0, description="For a retiring worker to finish what it has.")
    keepalive: Duration = Field(5.0, description="For the next request on an open connection.")
    header: Duration = Field(10.0, description="For a client to send the whole head of a request.")
    body: Duration = Field(30.0, description="Without a byte of the body.")


class Recycle(Section):
    """When a healthy worker is replaced, the new one ready first; 0 is never."""

    place: ClassVar[str] = "pool.*.recycle"

    requests: Requests = Field(0, description="After so many requests.")
    age: Duration = Field(0.0, description="When it is so old.")
    memory: Size = Field(0, description="When it has so much memory of its own (USS).")
    jitter: float = Field(0.1, ge=0, le=1, description="The share by which these vary, so that workers take turns.")


class Hooks(Section):
    """Functions that run in the worker, never in the master, as "module:function"; empty for none."""

    place: ClassVar[str] = "pool.*.hooks"

    post_fork: Function = Field("", description="After the fork, before the application is imported.")
    ready: Function = Field("", description="Before the worker reports that it is ready.")
    exit: Function = Field("", description="Before the worker ends.")
    abort: Function = Field("", description="On ABRT, before the worker dies.")


class Http(Section):
    """Limits and manners of HTTP."""

    place: ClassVar[str] = "pool.*.http"

    max_request_line: Size = Field(8 * KIB, description="Of method, target and version; longer: 414.")
    max_header_fields: Count = Field(100, description="Fields in the head; more: 431.")
    max_header_size: Size = Field(32 * KIB, description="All fields of the head together; larger: 431.")
    max_body: Size = Field(100 * MIB, description="Of a request; larger: 413.")
    trusted_proxies: Proxies = Field(
        ("127.0.0.1", "::1", "unix:"),
        description="Proxies, by address or network, whose X-Forwarded-For, -Proto, -Host, -Port and -Prefix count, or "
        "Forwarded in a request without the first three. Clients write these as well: a proxy must set or remove each.",
    )
    proxy_protocol: bool = Field(False, description="Expect a PROXY line or header before each connection's data.")
    server_header: HeaderValue = Field("prefork", description="The Server field of every answer; empty for none.")


class Pool(Section):
    """The workers of one application."""

    place: ClassVar[str] = "pool.*"

    app: App = Field(description='The application, as "module:attribute" or "module:factory()".')
    worker: WorkerKind = Field("sync", description='sync, thread, asgi, task, or "package.module:Class".')
    listen: Names | None = Field(None, description="Which listeners it serves; absent: every one.")
    workers: Workers = Field(1, description='A number, "auto" (two for each usable core and one more), or a range.')
    threads: Count = Field(8, description='For worker = "thread": threads of each worker.')
    preload: bool = Field(False, description="Import the application once and share its memory among the workers.")
    python: AbsolutePath | None = Field(None, description="The application's own interpreter; absent: preforkd's.")
    directory: AbsolutePath | None = Field(
        None, description="The workers' directory; absent: master.working_directory, or where preforkd was started."
    )
    python_path: Texts = Field((), description="Where to look for modules first.")
    environment: Variables = Field(default_factory=dict, description="Environment variables for the application.")
    surge: Surge = Field("25%", description="How many workers above the wanted number a roll may use, at least one.")
    refork: Counts = Field((), description="After so many requests a warm worker becomes the template.")
    probe: ProbePath = Field("", description="Ready only when the application answered this path without a 5xx.")
    timeout: Timeout = Field(default_factory=Timeout, description="Time limits.")
    recycle: Recycle = Field(default_factory=Recycle, description="When to replace healthy workers.")
    hooks: Hooks = Field(default_factory=Hooks, description="Functions to call in the worker.")
    http: Http = Field(default_factory=Http, description="Limits and manners of HTTP.")

    @property
    def templated(self) -> bool:
        """Its workers are forked from a template, not from the master."""
        return self.preload or self.python is not None
