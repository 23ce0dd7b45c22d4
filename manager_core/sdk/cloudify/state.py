"""The current contexts of a thread and the proxies authors import (contract §1.3).

`cloudify.ctx`, `ctx_parameters`, `workflow_ctx` and `workflow_parameters` stand for whatever the runtime
pushed in the current thread. Threads that author code starts do not inherit it: they `push` it themselves.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any


class NotInContext(RuntimeError):
    """A context was asked for in a thread that has none."""


class CtxParameters(dict[str, Any]):
    """A dict whose items are also attributes; a missing attribute is a `KeyError`."""

    def __getattr__(self, name: str) -> Any:
        return self[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        del self[name]


class CurrentContext(threading.local):
    """The (context, parameters) pair of the current thread."""

    ctx: Any = None
    parameters: CtxParameters | None = None

    def set(self, ctx: Any, parameters: Mapping[str, Any] | None = None) -> None:
        """Make `ctx` and `parameters` current in this thread."""
        self.ctx = ctx
        self.parameters = CtxParameters(parameters or {})

    def get_ctx(self) -> Any:
        """Return the current context; raises `NotInContext` without one."""
        return self._get("ctx")

    def get_parameters(self) -> CtxParameters:
        """Return the current parameters; raises `NotInContext` without them."""
        return self._get("parameters")

    def _get(self, name: str) -> Any:
        value = getattr(self, name)
        if value is None:
            raise NotInContext("No context set in current execution thread")
        return value

    def clear(self) -> None:
        """Leave this thread without a context."""
        self.ctx = None
        self.parameters = None

    @contextmanager
    def push(self, ctx: Any, parameters: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """Make a pair current for a `with` block and restore the previous one after it."""
        previous = self.ctx, self.parameters
        self.set(ctx, parameters)
        try:
            yield self
        finally:
            self.ctx, self.parameters = previous


def _forward(function: Callable[..., Any]) -> Callable[..., Any]:
    """Build a method that applies `function` to the current object of a proxy."""

    def method(self: Proxy, *args: Any) -> Any:
        return function(self._get_current_object(), *args)

    return method


class Proxy:
    """Stands for the object that `getter` returns at each access.

    Special methods are looked up by Python on the class, so those a context or a dict may be used through
    are forwarded one by one below.
    """

    __slots__ = ("__dict__", "_proxy_getter")

    def __init__(self, getter: Callable[[], Any]) -> None:
        object.__setattr__(self, "_proxy_getter", getter)

    def _get_current_object(self) -> Any:
        """Return the real object behind the proxy; raises `NotInContext` without one."""
        return object.__getattribute__(self, "_proxy_getter")()

    # What tools ask of every name in a module (its class, its names, its truth) must not raise outside a context.

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        try:
            return self._get_current_object().__dict__
        except NotInContext:
            raise AttributeError("__dict__") from None

    @property
    def __class__(self) -> type:  # type: ignore[override]
        try:
            return type(self._get_current_object())
        except NotInContext:
            return Proxy

    def __dir__(self) -> list[str]:
        try:
            return dir(self._get_current_object())
        except NotInContext:
            return []

    def __bool__(self) -> bool:
        try:
            return bool(self._get_current_object())
        except NotInContext:
            return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._get_current_object(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._get_current_object(), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._get_current_object(), name)

    def __repr__(self) -> str:
        try:
            return repr(self._get_current_object())
        except NotInContext:
            return "<unbound context proxy>"

    __str__ = _forward(str)
    __len__ = _forward(len)
    __iter__ = _forward(iter)
    __hash__ = _forward(hash)  # type: ignore[assignment]
    __contains__ = _forward(operator.contains)
    __getitem__ = _forward(operator.getitem)
    __setitem__ = _forward(operator.setitem)
    __delitem__ = _forward(operator.delitem)
    __or__ = _forward(operator.or_)

    def __eq__(self, other: object) -> bool:
        try:
            return bool(self._get_current_object() == other)
        except NotInContext:
            return self is other

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._get_current_object()(*args, **kwargs)


current_ctx = CurrentContext()
current_workflow_ctx = CurrentContext()

ctx = Proxy(current_ctx.get_ctx)
ctx_parameters = Proxy(current_ctx.get_parameters)
workflow_ctx = Proxy(current_workflow_ctx.get_ctx)
workflow_parameters = Proxy(current_workflow_ctx.get_parameters)
