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
    Text,
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

    min: OfWorkers = Field(description="Least number of workers.")
    max: OfWorkers = Field(description="Greatest number of workers.")

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
    """Time limits. 0 disables a limit."""

    place: ClassVar[str] = "pool.*.timeout"

    boot: Duration = Field(60.0, description="Time for a worker to become ready.")
    request: Duration = Field(
        30.0,
        description="Time for the application to respond; then stacks are logged, 504 is sent, the worker replaced.",
    )
    slow: Duration = Field(5.0, description="Time after which the stacks of a request are logged; the request goes on.")
    graceful: Duration = Field(30.0, description="Time for a retiring worker to finish its requests.")
    keepalive: Duration = Field(5.0, description="Time that an open connection may wait for its next request.")
    header: Duration = Field(10.0, description="Time for a client to send the whole head of a request.")
    body: Duration = Field(
        30.0,
        description="Time that a client may let pass without a byte of a body, or without taking any of a response.",
    )


class Recycle(Section):
    """Limits after which a healthy worker is replaced, its successor ready first. 0 disables a limit."""

    place: ClassVar[str] = "pool.*.recycle"

    requests: Requests = Field(0, description="Replace a worker after this number of requests.")
    age: Duration = Field(0.0, description="Replace a worker after this age.")
    memory: Size = Field(0, description="Replace a worker that has more memory of its own (USS) than this.")
    jitter: float = Field(
        0.1, ge=0, le=1, description="Share (0 to 1) by which these limits vary, so that workers take turns."
    )


class Hooks(Section):
    """Functions, as "module:function", that run in the worker, without arguments. Empty for none."""

    place: ClassVar[str] = "pool.*.hooks"

    post_fork: Function = Field("", description="Function called after the fork, before the application is imported.")
    ready: Function = Field("", description="Function called before the worker reports that it is ready.")
    exit: Function = Field("", description="Function called before the worker ends.")
    abort: Function = Field("", description="Function called on ABRT, before the worker dies.")


class Http(Section):
    """HTTP limits and settings."""

    place: ClassVar[str] = "pool.*.http"

    max_request_line: Size = Field(8 * KIB, description="Greatest length of a request line; a longer one gets 414.")
    max_header_fields: Count = Field(100, description="Greatest number of header fields; more get 431.")
    max_header_size: Size = Field(32 * KIB, description="Greatest size of all header fields together; larger gets 431.")
    max_body: Size = Field(100 * MIB, description="Greatest size of a request body; a larger one gets 413.")
    trusted_proxies: Proxies = Field(
        ("127.0.0.1", "::1", "unix:"),
        description="Addresses and networks of proxies whose X-Forwarded-For, -Proto, -Host, -Port and -Prefix are "
        "believed, or Forwarded in a request without the first three. A proxy must set or remove each of them.",
    )
    proxy_protocol: bool = Field(False, description="Expect a PROXY protocol header at the start of each connection.")
    server_header: HeaderValue = Field("prefork", description="Value of the Server field; empty for none.")


class Pool(Section):
    """The workers of one application."""

    place: ClassVar[str] = "pool.*"

    app: App = Field(description='The application: "module:attribute" or "module:factory()".')
    worker: WorkerKind = Field(
        "sync", description='Kind of worker: sync, thread, asgi, task, or "package.module:Class".'
    )
    listen: Names | None = Field(None, description="Names of the listeners that the pool serves. Default: all.")
    workers: Workers = Field(
        1, description='Number of workers, "auto" (two for each usable core, plus one), or a range.'
    )
    threads: Count = Field(8, description='Threads of each worker, for worker = "thread".')
    preload: bool = Field(False, description="Import the application once and share its memory among the workers.")
    python: AbsolutePath | None = Field(
        None, description="Interpreter of the application's own environment. Default: the one that runs preforkd."
    )
    user: Text | None = Field(
        None, description="User that this pool's workers run as (name or uid). Default: master.user."
    )
    group: Text | None = Field(
        None, description="Group of this pool's workers (name or gid). Default: the user's own, or master.group."
    )
    directory: AbsolutePath | None = Field(
        None,
        description="Working directory of workers. Default: master.working_directory, or where preforkd was started.",
    )
    python_path: Texts = Field((), description="Directories to search for modules first.")
    environment: Variables = Field(default_factory=dict, description="Environment variables for the application.")
    surge: Surge = Field(
        "25%",
        description="How many workers above the wanted number a roll may use: a percentage or a number, at least one.",
    )
    refork: Counts = Field((), description="Numbers of requests after which a warm worker becomes the template.")
    probe: ProbePath = Field(
        "", description="Path that the application must answer without a 5xx before a worker is ready. Default: none."
    )
    timeout: Timeout = Field(default_factory=Timeout, description="Time limits.")
    recycle: Recycle = Field(default_factory=Recycle, description="When to replace healthy workers.")
    hooks: Hooks = Field(default_factory=Hooks, description="Functions to call in the worker.")
    http: Http = Field(default_factory=Http, description="HTTP limits and settings.")

    @property
    def templated(self) -> bool:
        """Its workers are forked from a template, not from the master."""
        return self.preload or self.python is not None
