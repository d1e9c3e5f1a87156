from pathlib import Path

import pytest

from tidewire.chat.settings import Settings, SettingsError


def load(**environ: str) -> Settings:
    return Settings.load(environ, dotenv=None)


def test_nothing_set_gives_a_server_that_runs() -> None:
    settings = load()
    assert settings == Settings()
    assert (settings.effective_provider, settings.effective_model) == ("demo", "demo")
    assert (settings.host, settings.port, settings.database_url) == (
        "127.0.0.1",
        8000,
        "sqlite:///tidewire.db",
    )


def test_every_variable_reaches_its_field() -> None:
    settings = load(
        OPENAI_API_KEY="sk-1",
        OPENAI_BASE_URL="http://localhost:11434/v1",
        TIDEWIRE_PROVIDER="openai",
        TIDEWIRE_MODEL="b",
        TIDEWIRE_MODELS="a, b,,c",
        TIDEWIRE_SYSTEM_PROMPT="Be brief.",
        DATABASE_URL="sqlite:////var/chat.db",
        HOST="0.0.0.0",
        PORT="0",
        TIDEWIRE_ALLOWED_ORIGINS="https://a.example, http://localhost:5173",
        TIDEWIRE_MAX_MESSAGE_BYTES="2048",
        TIDEWIRE_MAX_TOOL_ROUNDS="1",
        TIDEWIRE_TOOL_TIMEOUT="0.5",
        TIDEWIRE_STALL_TIMEOUT="5",
        TIDEWIRE_CONNECT_TIMEOUT="1",
        TIDEWIRE_MAX_RETRIES="0",
        TIDEWIRE_MAX_CONCURRENT_TURNS="7",
        TIDEWIRE_MAX_HISTORY_MESSAGES="9",
        TIDEWIRE_DEMO_DELAY="0",
        TIDEWIRE_LOG_LEVEL="WARNING",
        TIDEWIRE_SHUTDOWN_GRACE="2.5",
    )
    assert settings == Settings(
        openai_api_key="sk-1",
        openai_base_url="http://localhost:11434/v1",
        provider="openai",
        model="b",
        models=("a", "b", "c"),
        system_prompt="Be brief.",
        database_url="sqlite:////var/chat.db",
        host="0.0.0.0",
        port=0,
        allowed_origins=("https://a.example", "http://localhost:5173"),
        max_message_bytes=2048,
        max_tool_rounds=1,
        tool_timeout=0.5,
        stall_timeout=5.0,
        connect_timeout=1.0,
        max_retries=0,
        max_concurrent_turns=7,
        max_history_messages=9,
        demo_delay=0.0,
        log_level="warning",
        shutdown_grace=2.5,
    )


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("OPENAI_BASE_URL", "api.example.com", "an http:// or https:// URL"),
        ("OPENAI_BASE_URL", "ftp://api.example.com", "an http:// or https:// URL"),
        ("OPENAI_BASE_URL", "https://", "an http:// or https:// URL"),
        ("TIDEWIRE_PROVIDER", "azure", "one of demo, openai"),
        ("PORT", "http", "a whole number from 0 to 65535"),
        ("PORT", "-1", "a whole number from 0 to 65535"),
        ("PORT", "65536", "a whole number from 0 to 65535"),
        ("PORT", "80.5", "a whole number from 0 to 65535"),
        ("TIDEWIRE_ALLOWED_ORIGINS", "example.com", "* or a comma-separated list of origins"),
        ("TIDEWIRE_ALLOWED_ORIGINS", "https://a.example/path", "* or a comma-separated list of origins"),
        ("TIDEWIRE_MAX_MESSAGE_BYTES", "1 MiB", "a whole number from 1024 to 67108864"),
        ("TIDEWIRE_MAX_TOOL_ROUNDS", "0", "a whole number from 1 to 100"),
        ("TIDEWIRE_TOOL_TIMEOUT", "nan", "a number from 0.01 to 3600"),
        ("TIDEWIRE_STALL_TIMEOUT", "inf", "a number from 0.01 to 3600"),
        ("TIDEWIRE_CONNECT_TIMEOUT", "1e999", "a number from 0.01 to 3600"),
        ("TIDEWIRE_MAX_RETRIES", "-1", "a whole number from 0 to 10"),
        ("TIDEWIRE_MAX_CONCURRENT_TURNS", "many", "a whole number from 1 to 100000"),
        ("TIDEWIRE_MAX_HISTORY_MESSAGES", "0", "a whole number from 1 to 10000"),
        ("TIDEWIRE_DEMO_DELAY", "-0.1", "a number from 0 to 10"),
        ("TIDEWIRE_LOG_LEVEL", "loud", "one of debug, error, info, warning"),
        ("TIDEWIRE_SHUTDOWN_GRACE", "forever", "a number from 0 to 300"),
    ],
)
def test_wrong_value_is_refused_in_a_sentence_that_names_the_variable(
    name: str, value: str, allowed: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(**{name: value})
    assert str(caught.value).startswith(f"{name} must be {allowed}")
    assert str(caught.value).endswith(".")


def test_database_url_of_no_use_is_refused_without_its_password() -> None:
    with pytest.raises(SettingsError, match=r"^DATABASE_URL must look like sqlite:///file\.db or ") as caught:
        load(DATABASE_URL="mysql://ann:secret@h/d")
    assert "secret" not in str(caught.value)


def test_openai_needs_a_key_or_a_base_url() -> None:
    with pytest.raises(SettingsError, match="needs OPENAI_API_KEY or OPENAI_BASE_URL"):
        load(TIDEWIRE_PROVIDER="openai")


@pytest.mark.parametrize(
    ("environ", "provider", "model"),
    [
        ({"OPENAI_API_KEY": "sk-1"}, "openai", "gpt-5-mini"),
        ({"OPENAI_BASE_URL": "http://localhost/v1"}, "openai", "gpt-5-mini"),
        ({"OPENAI_API_KEY": "sk-1", "TIDEWIRE_PROVIDER": "demo"}, "demo", "demo"),
        ({"OPENAI_API_KEY": "sk-1", "TIDEWIRE_MODEL": "m"}, "openai", "m"),
        ({"OPENAI_API_KEY": "sk-1", "TIDEWIRE_MODELS": "x,y"}, "openai", "x"),
        ({"OPENAI_API_KEY": "sk-1", "TIDEWIRE_MODELS": "x,y", "TIDEWIRE_MODEL": "y"}, "openai", "y"),
    ],
)
def test_provider_and_model_follow_from_what_is_set(
    environ: dict[str, str], provider: str, model: str
) -> None:
    settings = load(**environ)
    assert (settings.effective_provider, settings.effective_model) == (provider, model)


def test_default_model_must_be_among_the_models() -> None:
    with pytest.raises(SettingsError, match=r"^TIDEWIRE_MODEL must be one of TIDEWIRE_MODELS: x, y\.$"):
        load(TIDEWIRE_MODELS="x,y", TIDEWIRE_MODEL="z")


def test_any_origin_is_an_asterisk() -> None:
    assert load(TIDEWIRE_ALLOWED_ORIGINS="*").allowed_origins == ("*",)


def test_environment_wins_over_the_file(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text('PORT=1\nHOST="0.0.0.0"\nTIDEWIRE_SYSTEM_PROMPT="a ${HOME} $5"\nTIDEWIRE_MODEL\n')
    settings = Settings.load({"PORT": "2"}, dotenv)
    assert (settings.port, settings.host, settings.system_prompt) == (2, "0.0.0.0", "a ${HOME} $5")


def test_empty_value_is_unset_even_over_the_file(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("OPENAI_API_KEY=sk-1\n")
    assert Settings.load({"OPENAI_API_KEY": "sk-2", "PORT": " "}, dotenv) == Settings(openai_api_key="sk-2")
    assert Settings.load({"OPENAI_API_KEY": ""}, dotenv).effective_provider == "demo"


def test_missing_file_is_no_matter(tmp_path: Path) -> None:
    assert Settings.load({}, tmp_path / ".env") == Settings()


def test_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"PORT=\xff\xfe\n")
    with pytest.raises(SettingsError, match=r"\.env cannot be read as UTF-8 text\.$"):
        Settings.load({}, tmp_path / ".env")


def test_process_environment_is_read_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORT", "4321")
    assert Settings.load().port == 4321


def test_secrets_do_not_show_in_a_repr() -> None:
    settings = load(OPENAI_API_KEY="sk-1", DATABASE_URL="sqlite:///secret.db")
    assert "sk-1" not in repr(settings)
    assert "secret" not in repr(settings)
    assert settings.shown_database_url == "sqlite:///secret.db"


def test_every_variable_is_described_with_its_default() -> None:
    variables = {variable.name: variable for variable in Settings.variables()}
    assert len(variables) == len(Settings.__struct_fields__)
    assert all(variable.description.endswith(".") for variable in variables.values())
    assert variables["PORT"][1:3] == ("a whole number from 0 to 65535", "8000")
    assert variables["TIDEWIRE_MODELS"].default == ""


# ---------- names


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("TIDEWIRE_TRANSFROMER", "TIDEWIRE_TRANSFORMER"),
        ("TIDEWIRE_MODLE", "TIDEWIRE_MODEL"),
        ("TIDEWIRE_ALLOWED_ORIGIN", "TIDEWIRE_ALLOWED_ORIGINS"),
    ],
)
def test_a_slip_in_a_name_does_not_leave_the_default_in_force(name: str, meant: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        load(**{name: "none"})
    assert str(refused.value) == f"{name} is not a setting; {meant} is."

    dotenv = tmp_path / ".env"
    dotenv.write_text(f"{name}=none")
    with pytest.raises(SettingsError, match=name):
        Settings.load({}, dotenv)


@pytest.mark.parametrize(
    "name",
    ["TIDEWIRE_PORT", "TIDEWIRE_SERVICE_HOST", "TIDEWIRE_PORT_8000_TCP_ADDR", "TIDEWIRE_URL", "TRANSFORMER"],
)
def test_names_that_others_may_have_given_are_left_alone(name: str) -> None:
    assert load(**{name: "tcp://10.0.0.1:8000"}) == Settings()
