"""Names that plugins import from here."""

from __future__ import annotations

from cloudify_types.clients import EXTERNAL
from cloudify_types.following import INTERVAL, TIMEOUT

EXECUTIONS_TIMEOUT = TIMEOUT
POLLING_INTERVAL = INTERVAL
EXTERNAL_RESOURCE = EXTERNAL
CAPABILITIES = "capabilities"
