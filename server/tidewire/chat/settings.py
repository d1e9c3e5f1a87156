"""The chat server's settings, from the environment and `.env`."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, Self, get_type_hints

import msgspec
from msgspec import Meta, inspect

from .store.errors import DatabaseUrlError
from .store.url import parse_database_url, shown
from .variables import OURS, SettingsError, Variable, convert, describe, meant_by, read_dotenv

__all__ = ["LogLevel", "ProviderName", "Settings", "SettingsError", "TransformerName", "Variable"]

ProviderName = Literal["openai", "demo"]
TransformerName = Literal["superjson", "none"]
LogLevel = Literal["debug", "info", "warning", "error"]
Switch = Literal["on", "off"]

DEFAULT_OPENAI_MODEL: Final = "gpt-5-mini"
DEMO_MODEL: Final = "demo"

# These are what other programs and hosting providers call them; all others are ours and say so.
COMMON_NAMES: Final = {"openai_api_key", "openai_base_url", "database_url", "host", "port"}
SECRETS: Final = {"openai_api_key", "database_url"}

HttpUrl = Annotated[str, Meta(pattern=r"^https?://[^/\s]\S*$")]
Origin = Annotated[str, Meta(pattern=r"^(\*|https?://[^/\s]+)$")]
Timeout = Annotated[float, Meta(ge=0.01, le=3600)]


def variable_name(field: str) -> str:
    return field.upper() if field in COMMON_NAMES else f"{OURS}{field.upper()}"


def about(description: str, *, allowed: str | None = None) -> Meta:
    """A field's line in the documentation, and what it may be where the type does not tell."""
    return Meta(description=description, extra_json_schema={"title": allowed} if allowed else None)


class Settings(msgspec.Struct, frozen=True, kw_only=True, rename=variable_name):
    """What can be set from outside. Fields that are None or empty were not set."""

    openai_api_key: Annotated[str | None, about("Key for the provider. Local ones need none.")] = None
    openai_base_url: Annotated[
        HttpUrl | None,
        about(
            "Address of an OpenAI-compatible provider; OpenAI itself without it.",
            allowed="an http:// or https:// URL",
        ),
    ] = None
    provider: Annotated[
        ProviderName | None,
        about("Who answers. Without it: openai if a key or base URL is set, otherwise demo."),
    ] = None
    model: Annotated[
        str | None,
        about(f"Model used when a request names none. Without it: {DEFAULT_OPENAI_MODEL} for openai."),
    ] = None
    models: Annotated[
        tuple[str, ...],
        about("Models that requests may name. The first is the default unless TIDEWIRE_MODEL is set."),
    ] = ()
    system_prompt: Annotated[str | None, about("Instructions that precede every conversation.")] = None
    database_url: Annotated[str, about("Where conversations are kept: a SQLite file, or PostgreSQL.")] = (
        "sqlite:///tidewire.db"
    )
    host: Annotated[str, about("Address to listen on; 0.0.0.0 for every network.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535), about("Port to listen on; 0 takes any free one.")] = 8000
    transformer: Annotated[
        TransformerName,
        about("How values travel; clients must use the same: superjson, or none for plain JSON."),
    ] = "superjson"
    allowed_origins: Annotated[
        tuple[Origin, ...],
        about(
            "Web origins whose pages may connect, besides the server's own.",
            allowed="* or a comma-separated list of origins such as https://chat.example.com",
        ),
    ] = ()
    web: Annotated[Switch, about("Whether the web app is served at /, beside the API.")] = "on"
    max_message_bytes: Annotated[
        int, Meta(ge=1024, le=64 << 20), about("Largest message a client may send, in bytes.")
    ] = 1 << 20
    max_tool_rounds: Annotated[
        int, Meta(ge=1, le=100), about("How often in one turn the model may call tools and go on.")
    ] = 8
    tool_timeout: Annotated[Timeout, about("Seconds that one tool may run.")] = 30.0
    stall_timeout: Annotated[
        Timeout, about("Seconds without a byte after which the provider is given up.")
    ] = 60.0
    connect_timeout: Annotated[Timeout, about("Seconds to reach the provider in.")] = 10.0
    max_retries: Annotated[
        int, Meta(ge=0, le=10), about("How often a request that the provider refused is sent again.")
    ] = 2
    max_concurrent_turns: Annotated[
        int, Meta(ge=1, le=100_000), about("Turns that run at once; more wait.")
    ] = 1000
    max_history_messages: Annotated[
        int, Meta(ge=1, le=10_000), about("Messages of a conversation that the model gets to see.")
    ] = 200
    log_retention: Annotated[
        float,
        Meta(ge=0, le=7 * 86400),
        about(
            "Seconds that a turn's events are kept after its end; who comes back later gets it as a whole."
        ),
    ] = 300.0
    log_max_size: Annotated[
        int,
        Meta(ge=0, le=1 << 40),
        about("Characters of ended turns' events that are kept; beyond it the oldest go first."),
    ] = 64 << 20
    demo_delay: Annotated[
        float, Meta(ge=0, le=10), about("Seconds between two words of the demo provider.")
    ] = 0.03
    log_level: Annotated[LogLevel, about("The least severe messages to log.")] = "info"
    shutdown_grace: Annotated[
        float,
        Meta(ge=0, le=300),
        about("Seconds from SIGTERM to the exit; turns may run on for about three quarters of them."),
    ] = 10.0
    shutdown_spread: Annotated[
        float, Meta(ge=0, le=300), about("Seconds over which clients are told to reconnect before that.")
    ] = 3.0

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, dotenv: Path | None = Path(".env")) -> Self:
        """Read the environment (`os.environ` by default) and, below it, the file `dotenv` if it exists.

        Surrounding blanks do not count; an empty value counts as unset, even over one in the file.

        Raises:
            SettingsError: the first variable found wrong.
        """
        file = read_dotenv(dotenv) if dotenv else {}
        found = {**file, **(os.environ if environ is None else environ)}
        given = {name: value.strip() for name, value in found.items() if value.strip()}
        known = {field.encode_name for field in fields()}
        for name in given:
            if meant := meant_by(name, known):
                raise SettingsError(f"{name} is not a setting; {meant} is.")
        hints = get_type_hints(cls, include_extras=True)
        settings = cls(
            **{
                field.name: convert(given[field.encode_name], field, hints[field.name])
                for field in fields()
                if field.encode_name in given
            }
        )
        settings.check()
        return settings

    @staticmethod
    def variables() -> list[Variable]:
        """Every variable there is, for documentation."""
        return [describe(field) for field in fields()]

    @property
    def effective_provider(self) -> ProviderName:
        """Who answers, whether chosen or found out."""
        if self.provider:
            return self.provider
        return "openai" if self.openai_api_key or self.openai_base_url else "demo"

    @property
    def effective_model(self) -> str:
        """The model used when a request names none."""
        if self.model:
            return self.model
        if self.models:
            return self.models[0]
        return DEMO_MODEL if self.effective_provider == "demo" else DEFAULT_OPENAI_MODEL

    @property
    def shown_database_url(self) -> str:
        """`database_url` for logs: the password is hidden."""
        return shown(parse_database_url(self.database_url))

    def check(self) -> None:
        """Check what concerns several fields, or another module.

        Raises:
            SettingsError: naming the variable to change.
        """
        if self.provider == "openai" and not (self.openai_api_key or self.openai_base_url):
            raise SettingsError("TIDEWIRE_PROVIDER=openai needs OPENAI_API_KEY or OPENAI_BASE_URL to be set.")
        if self.model and self.models and self.model not in self.models:
            raise SettingsError(f"TIDEWIRE_MODEL must be one of TIDEWIRE_MODELS: {', '.join(self.models)}.")
        try:
            parse_database_url(self.database_url)
        except DatabaseUrlError as error:
            raise SettingsError(f"DATABASE_URL {error.reason}.") from error

    def __repr__(self) -> str:
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        hidden = {name: "***" for name in SECRETS if values[name]}
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in {**values, **hidden}.items())})"


def fields() -> tuple[inspect.Field, ...]:
    kind = inspect.type_info(Settings)
    assert isinstance(kind, inspect.StructType)
    return kind.fields
