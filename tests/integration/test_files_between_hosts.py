"""An API and a worker that share a database and a secret key, but no files: each has a data directory of its own."""

from __future__ import annotations

import hashlib
import io
import random
import re
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import plugins_made
from tests.support.archives_made import blueprint_tar, blueprint_zip
from tests.support.databases import PostgresTemplate
from tests.support.parts import KEY, Api, Part

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

PLUGIN_YAML = """\
plugins:
  parcel:
    executor: central_deployment_agent
    package_name: parcel
    package_version: '1.0'
"""

BLUEPRINT = """\
tosca_definitions_version: cloudify_dsl_1_4
imports: [cloudify/types/types.yaml, 'plugin:parcel']
plugins:
  inner: {executor: central_deployment_agent, source: inner}
node_templates:
  one:
    type: cloudify.nodes.Root
    interfaces:
      cloudify.interfaces.lifecycle:
        create: {implementation: inner.inner_plugin.create}
        configure: {implementation: parcel.parcel_plugin.configure}
        start: {implementation: scripts/start.sh}
capabilities:
  said:
    value: [{get_attribute: [one, inner]}, {get_attribute: [one, parcel]}, {get_attribute: [one, script]}]
"""

FILES = {
    "blueprint.yaml": BLUEPRINT,
    "scripts/start.sh": (
        '#!/bin/sh\nctx instance runtime-properties script "$(cat $(ctx download-resource scripts/word.txt))"\n'
    ),
    "scripts/word.txt": "shell",
    "plugins/inner/inner_plugin.py": (
        "from cloudify import ctx\n\n\ndef create(**_):\n    ctx.instance.runtime_properties['inner'] = 'python'\n"
    ),
}
PARCEL = (
    "from cloudify import ctx\n\n\ndef configure(**_):\n    ctx.instance.runtime_properties['parcel'] = 'package'\n"
)


def parcel(folder: Path) -> bytes:
    """Return a plugin as clients upload it."""
    wheel = plugins_made.wheel(folder, "parcel", "1.0", {"parcel_plugin.py": PARCEL})
    package = plugins_made.wagon(folder, "parcel", "1.0", [wheel])
    return plugins_made.uploaded(folder, package, PLUGIN_YAML).read_bytes()


class Hosts:
    """One database, and the environments of the hosts on it."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder = folder
        self.shared = {"DATABASE_URL": database, "CLOUDIFY_SECRET_KEY": KEY}
        self.processes: list[Part] = []

    def api(self, name: str = "a", **more: str) -> Api:
        api = Api(self.folder / name, **self.shared, **more)
        self.processes.append(api)
        return api.ready()

    def worker(self, api: Api | str, name: str = "b", **more: str) -> Part:
        url = api if isinstance(api, str) else api.url
        worker = Part(self.folder / name, "worker", **{**self.shared, "CLOUDIFY_API_URL": url, **more})
        self.processes.append(worker)
        return worker

    def originals(self, name: str = "a", kind: str = "blueprints") -> list[Path]:
        return sorted(path for path in (self.folder / name / "files" / kind).glob("*/*") if path.is_file())

    def cached(self, name: str = "b") -> list[Path]:
        cache = self.folder / name / "cache"
        return sorted(path for path in cache.glob("*/??/*") if path.parts[-3] not in ("tmp", "locks"))


@pytest.fixture
def hosts(postgres_template: PostgresTemplate, tmp_path: Path) -> Iterator[Hosts]:
    """Hosts on an empty database; whatever ran on them is ended."""
    with some_hosts(postgres_template, tmp_path) as made:
        yield made


@contextmanager
def some_hosts(template: PostgresTemplate, folder: Path) -> Iterator[Hosts]:
    name, url = template.empty()
    made = Hosts(folder, url)
    try:
        yield made
    finally:
        for process in made.processes:
            process.kill_group()
        template.drop(name)


def test_a_worker_with_no_files_installs_what_was_uploaded_elsewhere(hosts: Hosts, tmp_path: Path) -> None:
    api = hosts.api()
    worker = hosts.worker(api)
    api.call("POST", "/plugins", parcel(tmp_path / "parcel"))
    # A zip is packed anew by the worker, which hands the result to the API.
    assert api.upload("bp", blueprint_zip(FILES))["state"] == "uploaded", worker.output
    api.deploy("bp", "dep")
    done = api.ended(api.start("dep", "install"))
    assert (done["status"], done["error"]) == ("terminated", ""), worker.output
    assert api.call("GET", "/deployments/dep/capabilities")["capabilities"]["said"] == ["python", "package", "shell"]

    archive = api.call("GET", "/blueprints/bp/archive")
    assert archive.startswith(b"\x1f\x8b"), "the repacked archive is downloaded from the API"
    assert hashlib.sha256(archive).hexdigest() in {path.name for path in hosts.originals()}
    assert {path.parts[-3] for path in hosts.cached()} == {"blueprints", "blueprints-unpacked", "plugins"}
    assert hosts.originals("b") == [], "a worker keeps no originals"
    assert not (tmp_path / "b" / "blueprints" / "default_tenant" / "bp").exists()

    # The same name with another content is another blueprint, also where the first one was used.
    api.ended(api.start("dep", "uninstall"))
    api.call("DELETE", "/deployments/dep")
    api.until("/deployments", lambda found: not found["items"])
    api.call("DELETE", "/blueprints/bp")
    api.upload("bp", blueprint_tar({**FILES, "scripts/word.txt": "another"}))
    api.deploy("bp", "dep")
    assert api.ended(api.start("dep", "install"))["status"] == "terminated"
    assert api.call("GET", "/deployments/dep/capabilities")["capabilities"]["said"][2] == "another"


def test_a_tampered_file_and_an_api_that_is_down_fail_the_execution_and_say_so(hosts: Hosts, tmp_path: Path) -> None:
    api = hosts.api()
    worker = hosts.worker(api)
    api.call("POST", "/plugins", parcel(tmp_path / "parcel"))
    api.upload("bp", blueprint_tar(FILES))
    api.deploy("bp", "dep")
    (original,) = hosts.originals()
    content = original.read_bytes()
    original.write_bytes(b"tampered " + content)
    shutil.rmtree(tmp_path / "b" / "cache")
    done = api.ended(api.start("dep", "install"))
    assert done["status"] == "failed"
    got = hashlib.sha256(original.read_bytes()).hexdigest()
    assert done["error"] == (
        f"The archive of blueprint `bp` (blueprints/{original.name}) is refused: what {api.url.split('//')[1]} gave "
        f"has SHA-256 {got}, expected {original.name}"
    )
    original.write_bytes(content)
    assert api.ended(api.start("dep", "install"))["status"] == "terminated", "what was refused was not kept"

    worker.stop()
    hosts.worker("http://127.0.0.1:9", "c", CLOUDIFY_FETCH_SECONDS="0.5")
    done = api.ended(api.start("dep", "uninstall"))
    assert done["status"] == "failed"
    assert re.fullmatch(
        rf"The archive of blueprint `bp` \(blueprints/{original.name}\) cannot be fetched from 127\.0\.0\.1:9: "
        r".*refused \(tried for 0\.5 s; CLOUDIFY_API_URL says where the API is\)",
        done["error"],
    ), done["error"]


def test_fetched_files_stay_within_the_limit_and_originals_are_left_alone(hosts: Hosts) -> None:
    api = hosts.api()
    hosts.worker(api, CLOUDIFY_CACHE_MEGABYTES="1")
    plain = "tosca_definitions_version: cloudify_dsl_1_4\nimports: [cloudify/types/types.yaml]\n"
    plain += "node_templates: {one: {type: cloudify.nodes.Root}}\n"
    noise = random.Random(7)
    for number in range(3):
        big = "".join(noise.choices("0123456789abcdef", k=600_000))
        found = api.upload(f"bp{number}", blueprint_tar({"blueprint.yaml": plain, "big.txt": big}))
        assert found["state"] == "uploaded", found
        api.deploy(f"bp{number}", f"dep{number}")
        assert api.ended(api.start(f"dep{number}", "install"))["status"] == "terminated"
    assert len(hosts.originals()) == 3
    sizes = [sum(item.stat().st_size for item in [path, *path.rglob("*")] if item.is_file()) for path in hosts.cached()]
    # The last execution's own, an archive and its folder, were in use when room was made for them.
    assert 0 < sum(sizes) < 2 * 1024 * 1024, sizes
    assert api.ended(api.start("dep0", "uninstall"))["status"] == "terminated", "what was crowded out comes again"


def test_a_snapshot_made_on_another_host_is_downloaded_and_restored_there(hosts: Hosts, tmp_path: Path) -> None:
    api = hosts.api()
    hosts.worker(api)
    api.call("POST", "/plugins", parcel(tmp_path / "parcel"))
    api.upload("bp", blueprint_tar(FILES))
    api.call("PUT", "/secrets/password", {"value": "xyzzy"})
    icon = tmp_path / "a" / "icons" / "default_tenant" / "bp.png"
    icon.parent.mkdir(parents=True)
    icon.write_bytes(b"a picture")
    made = api.call("PUT", "/snapshots/s1", {})
    assert api.ended(made["id"])["status"] == "terminated"
    content = api.call("GET", "/snapshots/s1/archive")
    with zipfile.ZipFile(io.BytesIO(content)) as snapshot:
        names = [name.split("/") for name in snapshot.namelist()]
    files = {(parts[1], parts[2]) for parts in names if parts[0] == "files"}
    assert files == {(kind, path.name) for kind in ("blueprints", "plugins") for path in hosts.originals("a", kind)}
    assert ["folders", "icons", "default_tenant", "bp.png"] in names, "what only the API's host has"
    assert hosts.originals("b", "snapshots") == []

    icon.unlink()
    for kind in ("blueprints", "plugins"):
        for path in hosts.originals("a", kind):
            path.unlink()
    restore = api.call("POST", "/snapshots/s1/restore", {"force": True})
    done = api.ended(restore["id"])
    assert (done["status"], done["error"]) == ("terminated", "")
    assert icon.read_bytes() == b"a picture"
    assert api.call("GET", "/secrets/password")["value"] == "xyzzy"
    assert api.call("GET", "/blueprints/bp/archive")[:2] == b"\x1f\x8b"
    api.deploy("bp", "dep")
    assert api.ended(api.start("dep", "install"))["status"] == "terminated"


def test_what_one_of_several_apis_took_in_is_found_by_all(hosts: Hosts) -> None:
    first = hosts.api("a")
    second = hosts.api("c", CLOUDIFY_API_URL=first.url)
    third = hosts.api("d", CLOUDIFY_API_URL=second.url)
    hosts.worker(first)
    plain = "tosca_definitions_version: cloudify_dsl_1_4\nimports: [cloudify/types/types.yaml]\n"
    plain += "node_templates: {one: {type: cloudify.nodes.Root}}\n"
    # The worker asks the first API, which has not got it, then the others; what it packs anew goes to the first.
    assert second.upload("bp", blueprint_zip({"blueprint.yaml": plain}))["state"] == "uploaded"
    (zipped,), (packed,) = hosts.originals("c"), hosts.originals("a")
    assert zipped.name != packed.name
    for api in (first, second, third):
        assert api.call("GET", "/blueprints/bp/archive") == packed.read_bytes()
    assert [path.name for path in hosts.cached("d")] == [packed.name]
    assert (len(hosts.originals("a")), len(hosts.originals("c")), len(hosts.originals("d"))) == (1, 1, 0)
