"""Where imports are found: beside the file, in resources, built in, among plugins; and what is never read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from manager_core.dsl.errors import DslErrors
from manager_core.dsl.parser import parse
from manager_core.dsl.plugin_imports import best_version, choose_file, parse_query
from manager_core.dsl.resolver import FolderResolver, Found, plugins_in_folder, recorded_sections

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def plan_of(folder: Path, resolver: FolderResolver, text: str) -> dict:
    return parse(Found(str(folder / "main.yaml"), text, "main.yaml"), resolver, now=NOW)


def head(version: str, *imports: str) -> str:
    return f"tosca_definitions_version: cloudify_dsl_{version}\nimports: {list(imports)}\n"


@pytest.mark.parametrize(("version", "marker"), [("1_3", "update_postconfigure"), ("1_4", "update"), ("1_5", "update")])
def test_the_types_file_follows_the_version(tmp_path: Path, version: str, marker: str) -> None:
    """The path without a version leads to the variant of the main file's version."""
    plan = plan_of(tmp_path, FolderResolver(tmp_path), head(version, "cloudify/types/types.yaml"))
    base = plan["relationships"]["cloudify.relationships.depends_on"]
    assert marker in base["source_interfaces"]["cloudify.interfaces.relationship_lifecycle"]
    assert ("recursive" in plan["workflows"]["uninstall"]["parameters"]) == (version == "1_5")


@pytest.mark.parametrize("prefix", ["http://", "https://", "http://www.", "https://www."])
@pytest.mark.parametrize("domain", ["getcloudify.org", "cloudify.co"])
def test_spec_urls_lead_to_the_built_in_types_without_a_network(tmp_path: Path, prefix: str, domain: str) -> None:
    """All eight prefixes."""
    url = f"{prefix}{domain}/spec/cloudify/6.3.1/types.yaml"
    plan = plan_of(tmp_path, FolderResolver(tmp_path), head("1_3", url))
    assert "install" in plan["workflows"]
    assert "reinstall" not in plan["workflows"]


@pytest.mark.parametrize(
    ("release", "has", "lacks"),
    [
        ("4.3.3", "update", "rollback"), ("4.6", "update", "pull"), ("5.0.5", "update", "check_drift"),
        ("5.2.0", "update", "rollback"), ("6.1.0", "rollback", "check_status"), ("6.3.0", "check_drift", "reinstall"),
        ("6.4.0", "reinstall", "update"), ("7.0.5", "pull", "update"),
    ],
)  # fmt: skip
def test_each_release_has_its_own_workflows(tmp_path: Path, release: str, has: str, lacks: str) -> None:
    """The variants of contract §18.8."""
    url = f"https://cloudify.co/spec/cloudify/{release}/types.yaml"
    workflows = plan_of(tmp_path, FolderResolver(tmp_path), head("1_5", url))["workflows"]
    assert has in workflows
    assert lacks not in workflows


def test_a_url_is_fetched_only_when_the_operator_allows_it(tmp_path: Path) -> None:
    """Without a fetch function the import is refused; with one its text is used."""
    url = "https://example.org/lib.yaml"
    with pytest.raises(DslErrors) as caught:
        plan_of(tmp_path, FolderResolver(tmp_path), head("1_4", url))
    assert [problem.code for problem in caught.value.problems] == [13]
    asked: list[str] = []

    def fetch(address: str) -> str | None:
        asked.append(address)
        return "imports: [more.yaml]\n" if address == url else "inputs: {a: {}}\n"

    plan = plan_of(tmp_path, FolderResolver(tmp_path, fetch=fetch), head("1_4", url))
    assert list(plan["inputs"]) == ["a"]
    assert asked == [url, "https://example.org/more.yaml"]


def test_nothing_outside_the_archive_is_read(tmp_path: Path) -> None:
    """Neither through .. nor through a symbolic link nor through an absolute path nor a file URL."""
    (tmp_path / "secret.yaml").write_text("inputs: {secret: {}}\n")
    archive = tmp_path / "archive"
    (archive / "sub").mkdir(parents=True)
    (archive / "link.yaml").symlink_to(tmp_path / "secret.yaml")
    (archive / "ok.yaml").write_text("inputs: {ok: {}}\n")
    resolver = FolderResolver(archive / "sub", root=archive)
    main = str(archive / "sub" / "main.yaml")
    for entry in ("../../secret.yaml", "../link.yaml", str(tmp_path / "secret.yaml"), f"file://{tmp_path}/secret.yaml"):
        assert resolver.read(entry, main, (1, 4)) is None
    assert resolver.read("../ok.yaml", main, (1, 4)) is not None
    assert not resolver.is_file("../../secret.yaml")
    assert resolver.is_file("../ok.yaml")
    assert not resolver.is_file("../sub")


def test_one_file_reached_by_two_paths_is_one_import(tmp_path: Path) -> None:
    """Paths are normalised before files are told apart."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "one.yaml").write_text("inputs: {a: {}}\n")
    plan = plan_of(tmp_path, FolderResolver(tmp_path), head("1_4", "one.yaml", "sub/../one.yaml"))
    assert list(plan["inputs"]) == ["a"]


def test_resources_have_version_variants(tmp_path: Path) -> None:
    """The variant of the main file's version comes first, the plain name after it."""
    resources = tmp_path / "resources"
    (resources / "lib").mkdir(parents=True)
    (resources / "lib" / "x.yaml").write_text("inputs: {plain: {}}\n")
    (resources / "lib" / "x_1_4.yaml").write_text("inputs: {variant: {}}\n")
    resolver = FolderResolver(tmp_path, resources=[resources])
    assert list(plan_of(tmp_path, resolver, head("1_4", "lib/x.yaml"))["inputs"]) == ["variant"]
    assert list(plan_of(tmp_path, resolver, head("1_5", "lib/x.yaml"))["inputs"]) == ["plain"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("p", "3.10.0"), ("p?version=>=2.0,<3", "2.5"), ("p?version= >=2.0,<3 ", "2.5"), ("p?version=1.0", "1.0"),
        ("p?version=!=3.10.0", "3.9.1"), ("p?version=>9", None), ("p?version=1.0.0", None),
    ],
)  # fmt: skip
def test_the_highest_version_that_satisfies_the_query_wins(query: str, expected: str | None) -> None:
    """PEP 440 order; a bare version means exactly that text."""
    assert best_version(parse_query(query), ["1.0", "2.5", "3.10.0", "3.9.1"]) == expected


@pytest.mark.parametrize("query", ["p?flavour=x", "p?version=>=x.y"])
def test_a_bad_plugin_query_is_refused(query: str) -> None:
    """Unknown parameters and bad specifiers."""
    with pytest.raises(DslErrors):
        parse_query(query)


def test_the_yaml_of_a_plugin_follows_the_version() -> None:
    """The same version, else the highest below, else the one without a version."""
    names = ["plugin.yaml", "plugin_1_3.yaml", "plugin_1_4.yaml", "README.md"]
    assert choose_file(names, (1, 4)) == "plugin_1_4.yaml"
    assert choose_file(names, (1, 5)) == "plugin_1_4.yaml"
    assert choose_file(names, (1, 2)) == "plugin.yaml"
    assert choose_file(["x_1_5.yaml"], (1, 4)) is None


def test_labels_of_a_plugin_come_from_its_record(tmp_path: Path) -> None:
    """What the file of the version says is replaced by what plugin.yaml said; the main file's keys win."""
    home = tmp_path / "tool" / "1.0"
    home.mkdir(parents=True)
    (home / "plugin.yaml").write_text("labels: {a: [x], b: {values: [y]}}\nresource_tags: {t: 1}\n")
    (home / "plugin_1_5.yaml").write_text("labels: {c: {values: [z]}}\n")
    resolver = FolderResolver(tmp_path, plugins=plugins_in_folder(tmp_path))
    plan = plan_of(tmp_path, resolver, head("1_5", "plugin:tool") + "labels: {b: {values: [mine]}}\n")
    assert plan["labels"] == {"b": {"values": ["mine"]}, "a": {"values": ["x"]}}
    assert plan["resource_tags"] == {"t": 1}
    assert recorded_sections("a: 1\n", "f") == {"labels": None, "blueprint_labels": None, "resource_tags": None}


def test_a_plugin_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With the query that found nothing."""
    with pytest.raises(DslErrors) as caught:
        plan_of(
            tmp_path,
            FolderResolver(tmp_path, plugins=plugins_in_folder(tmp_path)),
            head("1_4", "plugin:tool?version=>3"),
        )
    (problem,) = caught.value.problems
    assert problem.exception_name == "InvalidBlueprintImport"
    assert "tool" in problem.message
    assert ">3" in problem.message
