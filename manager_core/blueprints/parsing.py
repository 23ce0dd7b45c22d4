"""From the files of an uploaded blueprint to its plan: gives the parser what the manager has to be imported from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from manager_core.blueprints.fetching import fetch_text
from manager_core.dsl.errors import DslErrors, Fault
from manager_core.dsl.parser import parse
from manager_core.dsl.resolver import FolderResolver, Found, ImportedBlueprint
from manager_core.settings import host_timezone
from manager_core.states import BlueprintState

if TYPE_CHECKING:
    from sqlmodel import Session

    from manager_core.bootstrap import Core


def parse_folder(core: Core, tenant: str, folder: Path, main_file: str) -> dict[str, Any]:
    """Parse a blueprint that lies unpacked in a folder.

    Args:
        tenant: whose plugins and blueprints it may import.
        folder: the archive's top folder; nothing outside it is read through relative imports.
        main_file: the blueprint file, relative to `folder`.

    Returns:
        The plan.

    Raises:
        DslErrors: everything that is wrong with it.
    """
    with core.store.read() as session:
        resolver = _resolver(core, session, tenant, folder, main_file)
        main = _main(folder, main_file)
        return parse(main, resolver, now=core.clock.now(), timezone=core.settings.timezone or host_timezone())


def _main(folder: Path, main_file: str) -> Found:
    path = (folder / main_file).resolve()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DslErrors.single(
            Fault.FMT,
            -1,
            f"Failed to parse DSL: {main_file} is not UTF-8 text (its byte {error.start + 1} cannot be read); "
            "blueprint files are UTF-8, with or without a byte order mark",
        ) from error
    return Found(str(path), text, main_file)


def _resolver(core: Core, session: Session, tenant: str, folder: Path, main_file: str) -> FolderResolver:
    fetch: Callable[[str], str | None] | None = None
    if core.settings.remote_imports:

        def fetch(url: str) -> str | None:
            return fetch_text(url, core.clock)

    def imported(blueprint_id: str) -> ImportedBlueprint | None:
        row = core.blueprints.of_tenant(session, tenant, blueprint_id)
        if row is None or row.state != BlueprintState.UPLOADED or row.main_file_name is None:
            return None
        home = core.blueprints.folder(row.tenant_name, blueprint_id)
        return ImportedBlueprint(
            _main(home, row.main_file_name), _resolver(core, session, tenant, home, row.main_file_name)
        )

    return FolderResolver(
        folder=(folder / main_file).parent,
        root=folder,
        resources=[core.settings.data_dir / "resources"],
        plugins=core.plugins.catalogue(session, tenant),
        blueprints=imported,
        fetch=fetch,
    )
