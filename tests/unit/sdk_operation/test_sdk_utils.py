"""Helpers of `cloudify.utils`, `cloudify.timestamps` and the mock contexts (contract §5.8)."""

from __future__ import annotations

import logging
import tarfile
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest


def test_a_command_gives_output_errors_and_code() -> None:
    """Words as a shell splits them, an environment, a directory."""
    from cloudify.utils import LocalCommandRunner

    runner = LocalCommandRunner()
    done = runner.run("sh -c 'echo $X; echo err >&2'", execution_env={"X": "a b"})
    assert (done.std_out, done.std_err, done.return_code) == ("a b", "err", 0)
    assert runner.run(["pwd"], cwd="/").std_out == "/"


def test_a_failing_command_raises_unless_told_otherwise() -> None:
    """The exception carries everything."""
    from cloudify.utils import CommandExecutionException, LocalCommandRunner

    with pytest.raises(CommandExecutionException) as caught:
        LocalCommandRunner().run("sh -c 'echo o; echo e >&2; exit 3'")
    assert (caught.value.code, caught.value.output, caught.value.error) == (3, "o", "e")
    assert LocalCommandRunner().run("false", exit_on_failure=False).return_code == 1


def test_functions_are_found_by_their_mapping() -> None:
    """And what is missing is named as the contract says."""
    from cloudify.exceptions import NonRecoverableError
    from cloudify.utils import get_func

    assert get_func("os.path.join") is __import__("os").path.join
    for mapping, text in {
        "no_such.f": "No module named no_such (No module named 'no_such')",
        "os.no_such": "os has no function named 'no_such' ",
    }.items():
        with pytest.raises(NonRecoverableError) as caught:
            get_func(mapping)
        assert str(caught.value) == text
    with pytest.raises(NonRecoverableError):
        get_func("nodot")


TIMES = {
    "2030-01-31 10:20:30": "2030-01-31 10:20:30",
    "2030-01-31 10:20": "2030-01-31 10:20:00",
    "2030-01-31T10:20:30+02:00": "2030-01-31 08:20:30",
}


@pytest.mark.parametrize("text", TIMES)
def test_absolute_times_are_read_as_utc(text: str) -> None:
    """With and without seconds, with an offset."""
    from cloudify.utils import parse_utc_datetime

    assert str(parse_utc_datetime(text)) == TIMES[text]


def test_a_zone_moves_an_absolute_time() -> None:
    """The expression is read in it."""
    from cloudify.utils import parse_utc_datetime

    assert str(parse_utc_datetime("2030-07-01 12:00", timezone="Europe/Berlin")) == "2030-07-01 10:00:00"
    assert parse_utc_datetime("") is None


def test_relative_times_know_months_and_years() -> None:
    """The end of a month stays inside the month."""
    from cloudify.utils import parse_utc_datetime_relative, unpack_timedelta_string

    base = datetime(2024, 1, 31, 10, 0)
    assert parse_utc_datetime_relative("+1mo", base) == datetime(2024, 2, 29, 10, 0)
    assert parse_utc_datetime_relative("+1y+1d", base) == datetime(2025, 2, 1, 10, 0)
    assert parse_utc_datetime_relative("+4 hours", base) == datetime(2024, 1, 31, 14, 0)
    for wrong in ("+1 fortnight", "soon", "", "+1.5h"):
        with pytest.raises(ValueError, match="not a legal time delta"):
            unpack_timedelta_string(wrong)


def test_archives_are_unpacked_and_others_refused(tmp_path: Path) -> None:
    """zip and tar; a member that climbs out is refused."""
    from cloudify.exceptions import NonRecoverableError
    from cloudify.utils import extract_archive

    (tmp_path / "a.txt").write_text("x")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "a.txt", "d/a.txt")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive_tar:
        archive_tar.add(tmp_path / "a.txt", "d/a.txt")
    for name in ("a.zip", "a.tar.gz"):
        assert Path(extract_archive(str(tmp_path / name)), "d", "a.txt").read_text() == "x"
    with pytest.raises(NonRecoverableError, match="unsupported archive"):
        extract_archive(str(tmp_path / "a.txt"))
    with tarfile.open(tmp_path / "evil.tar", "w") as archive_tar:
        archive_tar.add(tmp_path / "a.txt", "../evil.txt")
    with pytest.raises(tarfile.TarError):
        extract_archive(str(tmp_path / "evil.tar"))


def test_output_is_consumed_line_by_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each line a record with the prefix."""
    from cloudify.utils import OutputConsumer

    (tmp_path / "out").write_bytes(b"one\ntwo")
    with caplog.at_level(logging.INFO):
        OutputConsumer((tmp_path / "out").open("rb"), logging.getLogger("x"), "<out> ").join(5)
    assert [record.getMessage() for record in caplog.records] == ["<out> one", "<out> two"]


def test_versions_compare_by_number() -> None:
    """Not as text."""
    from cloudify.utils import ManagerVersion

    assert ManagerVersion("7.0.10") > ManagerVersion("7.0.9")
    assert ManagerVersion("7.0.5-ga") == ManagerVersion("7.0.5")
    assert ManagerVersion("6.9").greater_than(ManagerVersion("6.4.9"))


def test_the_install_method_of_an_agent() -> None:
    """As contract §4.3 says."""
    from cloudify.utils import internal

    assert internal.get_install_method({"install_agent": False}) == "none"
    assert internal.get_install_method({"install_agent": True}) == "remote"
    assert internal.get_install_method({"agent_config": {"install_method": "plugin"}}) == "plugin"
    assert internal.get_install_method({}) is None


def test_names_of_the_current_execution_come_from_the_context(ctx: Any) -> None:
    """Of the operation, else of the workflow, else nothing."""
    from cloudify import utils
    from cloudify.state import current_ctx, current_workflow_ctx

    class Workflow:
        execution_id = "w1"
        tenant_name = "t2"

    assert utils.get_tenant_name() is None
    with current_workflow_ctx.push(Workflow()):
        assert (utils.get_execution_id(), utils.get_tenant_name()) == ("w1", "t2")
        with current_ctx.push(ctx):
            assert (utils.get_execution_id(), utils.get_tenant_name()) == ("e1", "default_tenant")
            assert utils._get_current_context() is ctx


def test_mock_contexts_stand_in_for_real_ones(tmp_path: Path) -> None:
    """Node, instance, relationship, resources; changes stay in the object."""
    from cloudify import mocks
    from cloudify.state import current_ctx

    (tmp_path / "r").write_text("x")
    ctx = mocks.MockCloudifyContext(
        node_id="vm_1",
        node_name="vm",
        properties={"p": 1},
        runtime_properties={"a": 1},
        operation={"retry_number": 2},
        resources={"r": str(tmp_path / "r")},
        tenant={"name": "t"},
    )
    current_ctx.set(ctx)
    try:
        from cloudify import ctx as proxy

        proxy.instance.runtime_properties["b"] = 2
        proxy.instance.update()
        assert proxy.instance.runtime_properties == {"a": 1, "b": 2}
        assert (proxy.node.properties, proxy.node.name, proxy.tenant_name) == ({"p": 1}, "vm", "t")
        assert proxy.operation.retry_number == 2
        assert proxy.get_resource("r") == b"x"
        proxy.logger.info("works")
    finally:
        current_ctx.clear()
    side = mocks.MockContext({"node": mocks.MockNodeContext("n", {"x": 1}), "instance": None})
    related = mocks.MockCloudifyContext(source=side, target=side, deployment_id="d")
    assert related.type == "relationship-instance"
    assert related.source.node.properties == {"x": 1}
    assert related.deployment.id == "d"
