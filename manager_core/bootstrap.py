"""Build one Core from Settings: API, worker, scheduler and tests all start here. No global objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from manager_core.access.service import Access
from manager_core.blueprints.service import Blueprints
from manager_core.configuration.service import Configuration
from manager_core.deployments.service import Deployments
from manager_core.events.service import Events
from manager_core.executions.service import Executions
from manager_core.files import peers
from manager_core.files.cache import FileCache
from manager_core.files.fetching import FetchingFiles
from manager_core.files.proof import PURPOSE
from manager_core.files.remote import RemoteFiles
from manager_core.filters.service import Filters
from manager_core.health.service import Health
from manager_core.maintenance.service import MaintenanceMode
from manager_core.nodes.service import Nodes
from manager_core.plugins.service import Plugins
from manager_core.schedules.service import Schedules
from manager_core.secrets.service import Secrets
from manager_core.settings import Settings
from manager_core.snapshots.service import Snapshots
from manager_core.store.engine import Store, make_engine, refuse_damaged, refuse_old
from manager_core.store.files import FileStore
from manager_core.store.migrate import migrate
from scheduler.clock import Clock, SystemClock

DEFAULT_TENANT = "default_tenant"


@dataclass
class Core:
    """Everything the manager is made of, wired once.

    Each attribute is the service of the room of that name; services reach each other through the Core they were given.
    """

    settings: Settings
    clock: Clock
    store: Store
    files: FileStore
    access: Access = field(init=False)
    configuration: Configuration = field(init=False)
    maintenance: MaintenanceMode = field(init=False)
    health: Health = field(init=False)
    blueprints: Blueprints = field(init=False)
    deployments: Deployments = field(init=False)
    nodes: Nodes = field(init=False)
    executions: Executions = field(init=False)
    events: Events = field(init=False)
    schedules: Schedules = field(init=False)
    plugins: Plugins = field(init=False)
    secrets: Secrets = field(init=False)
    snapshots: Snapshots = field(init=False)
    filters: Filters = field(init=False)

    def __post_init__(self) -> None:
        """Make the services."""
        self.access = Access(self)
        self.configuration = Configuration(self)
        self.maintenance = MaintenanceMode(self)
        self.health = Health(self)
        self.blueprints = Blueprints(self)
        self.deployments = Deployments(self)
        self.nodes = Nodes(self)
        self.executions = Executions(self)
        self.events = Events(self)
        self.schedules = Schedules(self)
        self.plugins = Plugins(self)
        self.secrets = Secrets(self)
        self.snapshots = Snapshots(self)
        self.filters = Filters(self)

    def close(self) -> None:
        """Give back connections."""
        self.store.close()


def build(settings: Settings | None = None, *, clock: Clock | None = None, **overrides: Any) -> Core:
    """Build a Core: make the data directory, migrate the database, seed the first tenant and user.

    Args:
        settings: where and how; read from the environment when None.
        clock: the time source; the system's when None.
        overrides: fields of `Settings` when `settings` is None.

    Raises:
        RuntimeError: the database was written by a newer version, its file is damaged, or its server is too old.
    """
    settings = settings or Settings(**overrides)
    make_data_dir(settings)
    store = Store(make_engine(settings.url, synchronous=settings.synchronous))
    refuse_damaged(store.engine)
    refuse_old(store.engine)
    migrate(store.engine)
    core = _core(settings, clock, store)
    core.executions.prepare()
    core.access.seed()
    return core


def attach(settings: Settings, *, clock: Clock | None = None) -> Core:
    """Build a Core on a database that is known to be ready: no migration, no seeding (execution processes)."""
    store = Store(make_engine(settings.url, synchronous=settings.synchronous, pool_size=4))
    return _core(settings, clock, store)


def _core(settings: Settings, clock: Clock | None, store: Store) -> Core:
    core = Core(
        settings=settings, clock=clock or SystemClock(), store=store, files=FileStore(settings.data_dir / "files")
    )
    if settings.api_url and store.dialect == "postgresql":
        core.files = fetching_files(core)  # the API may be on another host
    return core


def fetching_files(core: Core) -> FetchingFiles:
    """Return the file store of a process whose API is at `CLOUDIFY_API_URL`."""

    def at(url: str) -> RemoteFiles:
        return RemoteFiles(url, lambda: core.secrets.derived_key(PURPOSE), core.clock.now)

    settings, home = core.settings, core.settings.data_dir.resolve()
    return FetchingFiles(
        settings.data_dir / "files",
        cache=FileCache(home / "cache", limit=settings.cache_megabytes << 20, clock=core.clock),
        clock=core.clock,
        patience=settings.fetch_seconds,
        first=at(settings.base_url),
        others=lambda: [at(url) for url in peers.addresses(core)],
        shared=lambda: peers.serves_here(core),
    )


def make_data_dir(settings: Settings) -> None:
    """Make the data directory, readable by its owner alone."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    settings.data_dir.chmod(0o700)
