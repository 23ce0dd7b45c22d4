"""Settings: environment variables with the prefix `CLOUDIFY_`, an optional file, defaults for a laptop.

The only module that reads the environment. Entry points make one `Settings`; everything else receives it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What an operator can set. Every field has a default that works on a laptop.

    Attributes:
        data_dir: where the database, archives, keys and logs live.
        host, port: where the API listens.
        admin_password: the first start's password of `admin`; generated when unset.
        scheduler_interval: seconds between two polls of the scheduler.
        timezone: zone of a blueprint's schedule times that name none; the host's zone when unset.
        worker_concurrency: executions one worker runs at a time.
        secret_key: key that encrypts secrets; a key file in the data directory when unset.
        api_url: where workers and operations reach the API; derived from host and port when unset.
        cache_megabytes: space for files fetched from the API of another host; the least recently used go first.
        fetch_seconds: how long a worker asks for a file while the API does not answer.
        database_url: `sqlite` in the data directory when unset, else `postgresql+psycopg://…`.
        history_rows: verdicts kept for each schedule.
        lease_seconds: after this many seconds without renewal a worker counts as lost.
        grace_seconds: how long a stopping worker waits for its executions.
        remote_imports: whether blueprints may import `http(s)` URLs that are not built in.
        synchronous: SQLite's `PRAGMA synchronous`: NORMAL (no loss when a process dies) or FULL.
        password_memory_kib: memory one hashing of a password takes (argon2id); what makes guessing expensive.
        log_level: level of the service's own log lines.
    """

    model_config = SettingsConfigDict(
        env_prefix="CLOUDIFY_", env_ignore_empty=True, extra="ignore", populate_by_name=True
    )

    data_dir: Path = Path("data")
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    admin_password: str | None = None
    scheduler_interval: float = Field(default=60.0, gt=0)
    timezone: str | None = None
    worker_concurrency: int = Field(default=20, ge=1, le=1000)
    secret_key: str | None = None
    api_url: str | None = None
    database_url: str | None = Field(
        default=None, validation_alias=AliasChoices("DATABASE_URL", "CLOUDIFY_DATABASE_URL", "database_url")
    )
    cache_megabytes: int = Field(default=2048, ge=1)
    fetch_seconds: float = Field(default=30.0, ge=0)
    history_rows: int = Field(default=1000, ge=1)
    lease_seconds: float = Field(default=30.0, gt=0)
    grace_seconds: float = Field(default=10.0, ge=0)
    remote_imports: bool = False
    synchronous: str = Field(default="NORMAL", pattern="^(NORMAL|FULL)$")
    password_memory_kib: int = Field(default=19_456, ge=8)
    log_level: str = "INFO"

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if not value:
            return None
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{value} is not the name of a time zone") from None
        return value

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of the database."""
        if self.database_url:
            url = self.database_url
            for short in ("postgres://", "postgresql://"):
                if url.startswith(short):
                    return "postgresql+psycopg://" + url[len(short) :]
            return url
        return f"sqlite:///{self.data_dir.resolve() / 'manager.db'}"

    @property
    def base_url(self) -> str:
        """Where workers and operations reach the API, without `/api`."""
        if self.api_url:
            return self.api_url.rstrip("/")
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::", ""} else self.host  # noqa: S104 - compared, not bound
        return f"http://{host}:{self.port}"

    def __init__(self, **values: Any) -> None:
        """Read the environment; `values` that are None count as not given."""
        super().__init__(**{name: value for name, value in values.items() if value is not None})


def host_timezone() -> str:
    """Return the IANA name of the host's zone, or `UTC` when it cannot be told."""
    from tzlocal import get_localzone_name

    try:
        name = get_localzone_name()
        ZoneInfo(name)
    except (KeyError, ValueError, OSError, LookupError):
        return "UTC"
    return str(name)
