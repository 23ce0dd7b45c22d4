"""Names that plugins import from the REST client."""

from __future__ import annotations

from cloudify.models_states import VisibilityState

VISIBILITY_EXCEPT_GLOBAL = [VisibilityState.PRIVATE, VisibilityState.TENANT]
VISIBILITY_EXCEPT_PRIVATE = [VisibilityState.TENANT, VisibilityState.GLOBAL]

__all__ = ["VISIBILITY_EXCEPT_GLOBAL", "VISIBILITY_EXCEPT_PRIVATE", "VisibilityState"]
