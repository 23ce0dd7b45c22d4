"""`cloudify-manager`: the manager's command line. Each command imports what it needs, when it needs it."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Annotated

import typer

from manager_core.settings import Settings

app = typer.Typer(
    name="cloudify-manager",
    help="Compact manager for Cloudify blueprints: API, execution scheduler and worker.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where the database, archives and keys live [./data]")]
Host = Annotated[str | None, typer.Option("--host", help="Address to listen on [127.0.0.1]")]
Port = Annotated[int | None, typer.Option("--port", help="Port to listen on; 0 takes a free one [8080]")]


def _settings(**given: object) -> Settings:
    """Read the settings, the command line first; say what is wrong in one line instead of a traceback."""
    from pydantic import ValidationError

    try:
        return Settings(**given)
    except ValidationError as error:
        for problem in error.errors():
            print(f"error: setting {'.'.join(map(str, problem['loc']))}: {problem['msg']}", file=sys.stderr)
        raise typer.Exit(1) from None


@app.command()
def up(
    data_dir: DataDir = None,
    host: Host = None,
    port: Port = None,
    interval: Annotated[float | None, typer.Option("--interval", help="Seconds between two polls [60]")] = None,
    example: Annotated[bool, typer.Option("--example", help="Deploy the example and tell what happens")] = False,
) -> None:
    """Run API, scheduler and worker together in the foreground."""
    from manager_core.service import run_up

    settings = _settings(data_dir=data_dir, host=host, port=port, scheduler_interval=interval)
    raise typer.Exit(run_up(settings, example=example))


@app.command()
def serve(data_dir: DataDir = None, host: Host = None, port: Port = None) -> None:
    """Run the API alone."""
    from manager_core.service import run_serve

    raise typer.Exit(run_serve(_settings(data_dir=data_dir, host=host, port=port)))


@app.command()
def worker(data_dir: DataDir = None) -> None:
    """Run a worker alone: it takes executions and runs them."""
    from manager_core.service import run_worker

    raise typer.Exit(run_worker(_settings(data_dir=data_dir)))


@app.command()
def migrate(
    data_dir: DataDir = None,
    from_sqlite: Annotated[
        Path | None,
        typer.Option("--from-sqlite", help="Copy this SQLite data directory into the empty PostgreSQL of DATABASE_URL"),
    ] = None,
) -> None:
    """Bring the database to the newest table layout, or move a manager from SQLite to PostgreSQL."""
    from manager_core.service import run_migrate, run_move

    settings = _settings(data_dir=data_dir)
    raise typer.Exit(run_migrate(settings) if from_sqlite is None else run_move(settings, from_sqlite))


@app.command(name="create-admin")
def create_admin(
    username: Annotated[str, typer.Argument(help="Name of the system administrator")] = "admin",
    data_dir: DataDir = None,
) -> None:
    """Create a system administrator, or give an existing one a new password, read from standard input or generated."""
    from manager_core.service import run_create_admin

    raise typer.Exit(run_create_admin(_settings(data_dir=data_dir), username))


@app.command()
def plan(
    file: Annotated[Path, typer.Argument(help="The blueprint's main file")],
    inputs: Annotated[list[str] | None, typer.Option("-i", "--inputs", help="An input, as name=value or YAML")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole plan as JSON")] = False,
    plugins: Annotated[Path | None, typer.Option("--plugins", help="Folder with NAME/VERSION/plugin*.yaml")] = None,
    resources: Annotated[Path | None, typer.Option("--resources", help="Where other relative imports are")] = None,
    blueprint: Annotated[
        list[str] | None, typer.Option("--blueprint", help="ID=FILE of a blueprint that is imported")
    ] = None,
) -> None:
    """Parse a blueprint offline and print its plan, or all of its errors with file and line."""
    from manager_core.plan_command import plan_command

    raise typer.Exit(
        plan_command(
            file,
            inputs=inputs or [],
            as_json=as_json,
            plugins=plugins,
            resources=resources,
            blueprints=blueprint or [],
        )
    )


def main() -> None:
    """Run the command line."""
    # Imports make a million objects that all stay: looking for garbage among them costs a fifth of the start.
    # `manager_core.service` sets the usual pace again as soon as a part is up.
    gc.set_threshold(50_000, 50, 100)
    app()


if __name__ == "__main__":
    main()
