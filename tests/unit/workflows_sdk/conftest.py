"""Puts the SDK on the path before these tests are imported, as the runtime does in execution processes."""

import tests.support.workflow_play  # noqa: F401
