"""The message of an operation, shared with the runtime's port (`manager_core.runtime.ports`)."""

from manager_core.runtime.ports import OperationMessage

__all__ = ["OperationMessage"]
