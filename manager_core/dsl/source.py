"""YAML text to plain values, and a path back to its line: the source layer of the blueprint language (contract §1).

Text is hostile until proven. The tree is built in one pass over libyaml's events, so depth, size and alias
expansion are bounded before anything is composed. Positions are not kept: only when something is wrong is the
text read once more, to find the line of a path (`locate`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from manager_core.dsl.errors import DslErrors, Fault, Path, Problem

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # pragma: no cover - PyYAML built without libyaml
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

Event = Any
"""An event of PyYAML's parser; the stubs do not describe its fields."""

MAX_DEPTH = 200
"""Nesting of collections in one file."""
MAX_TEXT = 16 * 1024 * 1024
"""Characters of one file."""
MAX_NODES = 1_000_000
"""Values of one file, every alias counted with all it stands for."""

_TAG = "tag:yaml.org,2002:"
_LIST_TAGS = {_TAG + "seq", _TAG + "omap", _TAG + "pairs", None, "!"}
MAX_BITS = 4096
"""Bits of one integer."""


class _Constructor(yaml.SafeLoader):
    """PyYAML's scalar rules (YAML 1.1) without a stream: used for scalars that are not plain text."""

    def __init__(self) -> None:
        super().__init__("")


def load(text: str, name: str) -> Any:
    """Turn one YAML document into plain values.

    Args:
        text: the whole file.
        name: what messages call the file.

    Returns:
        Mappings, lists and scalars; an empty file is an empty mapping. Equal mapping keys: the last one wins.

    Raises:
        DslErrors: FMT(-1) for YAML that is wrong, too deep or too large; INP(108) for text outside ASCII.
    """
    if len(text) > MAX_TEXT:
        raise _refuse(name, f"The file is too large: {len(text)} characters, the limit is {MAX_TEXT}", None)
    if "\0" in text:
        raise _refuse(name, "Failed to parse DSL: special characters are not allowed", None)
    builder = _Builder(name, text)
    try:
        return builder.build()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = " ".join(part for part in (error.context, error.problem) if part)
        raise _refuse(name, f"Failed to parse DSL: {reason}", mark) from error
    except yaml.YAMLError as error:
        raise _refuse(name, f"Failed to parse DSL: {error}", None) from error


def _refuse(name: str, message: str, mark: Any, kind: Fault = Fault.FMT, code: int = -1) -> DslErrors:
    line = mark.line + 1 if mark is not None else None
    column = mark.column + 1 if mark is not None else None
    return DslErrors([Problem(kind, code, message, (), None, None, name, line, column)])


class _Builder:
    """One pass over the events of one document."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.loader = _Loader(text)
        self.scalars: _Constructor | None = None
        self.anchors: dict[str, tuple[Any, int, int]] = {}
        self.deepest = 0
        self.open_anchors: set[str] = set()
        self.count = 0
        self.cache: dict[str, Any] = {}

    def build(self) -> Any:
        """Read the stream: no document is an empty mapping, a second one an error."""
        get: Callable[[], Event] = self.loader.get_event
        get()  # stream start
        if isinstance(get(), StreamEndEvent):
            return {}
        value = self.node(get(), 0)
        get()  # document end
        event = get()
        if not isinstance(event, StreamEndEvent):
            raise ComposerError(
                "expected a single document in the stream", None, "but found another document", event.start_mark
            )
        return {} if value is None else value

    def node(self, event: Event, depth: int) -> Any:
        """Build the value that begins with `event`."""
        kind = type(event)
        if kind is ScalarEvent:
            self.count += 1
            if self.count > MAX_NODES:
                raise self.too_many(event)
            value = self.scalar(event)
            if event.anchor is not None:
                self.anchors[event.anchor] = (value, 1, 0)
            return value
        if kind is AliasEvent:
            return self.alias(event, depth)
        if depth >= MAX_DEPTH:
            raise self.too_deep(event)
        before = self.count
        self.count += 1
        if self.count > MAX_NODES:
            raise self.too_many(event)
        anchor = event.anchor
        outer = self.deepest
        self.deepest = depth + 1
        if anchor is not None:
            self.open_anchors.add(anchor)
            self.anchors.pop(anchor, None)
        if kind is MappingStartEvent:
            value = self.mapping(event, depth)
        else:
            value = self.sequence(event, depth)
        if anchor is not None:
            self.open_anchors.discard(anchor)
            self.anchors[anchor] = (value, self.count - before, self.deepest - depth)
        if outer > self.deepest:
            self.deepest = outer
        return value

    def alias(self, event: Event, depth: int) -> Any:
        """Return what the anchor stands for; its whole size counts again."""
        if event.anchor not in self.anchors:
            what = "found a recursive alias" if event.anchor in self.open_anchors else "found undefined alias"
            raise ComposerError(None, None, f"{what} {event.anchor!r}", event.start_mark)
        value, size, height = self.anchors[event.anchor]
        if depth + height > MAX_DEPTH:
            raise self.too_deep(event)
        if depth + height > self.deepest:
            self.deepest = depth + height
        self.count += size
        if self.count > MAX_NODES:
            raise self.too_many(event)
        return value

    def too_deep(self, event: Event) -> DslErrors:
        return _refuse(self.name, f"The file is nested too deeply: the limit is {MAX_DEPTH}", event.start_mark)

    def too_many(self, event: Event) -> DslErrors:
        return _refuse(self.name, f"The file holds too many values: the limit is {MAX_NODES}", event.start_mark)

    def sequence(self, start: Event, depth: int) -> Any:
        """Build a list."""
        result: list[Any] = []
        get = self.loader.get_event
        while type(event := get()) is not SequenceEndEvent:
            result.append(self.node(event, depth + 1))
        if start.tag not in _LIST_TAGS:
            raise self.unknown_tag(start)
        return result

    def mapping(self, start: Event, depth: int) -> Any:
        """Build a mapping; `<<` is merged under the keys that are written out."""
        result: dict[Any, Any] = {}
        merges: list[Any] = []
        get: Callable[[], Event] = self.loader.get_event
        node = self.node
        depth += 1
        while type(event := get()) is not MappingEndEvent:
            if type(event) is ScalarEvent:
                text = event.value
                if text == "<<" and event.implicit[0] and event.tag is None:
                    merges.append((event, node(get(), depth)))
                    continue
                key = self.scalar(event)
                self.count += 1
                if event.anchor is not None:
                    self.anchors[event.anchor] = (key, 1, 0)
            else:
                key = node(event, depth)
                if isinstance(key, list | dict):
                    raise ConstructorError(
                        "while constructing a mapping", start.start_mark, "found unhashable key", event.start_mark
                    )
            result[key] = node(get(), depth)
        if merges:
            result = self.merged(result, merges)
        if start.tag == _TAG + "set":
            return list(result)
        if start.tag not in (None, "!", _TAG + "map"):
            raise self.unknown_tag(start)
        return result

    def merged(self, own: dict[Any, Any], merges: list[Any]) -> dict[Any, Any]:
        """Return the merged mapping: merged keys come first, written ones win."""
        base: dict[Any, Any] = {}
        for event, value in merges:
            parts = value if isinstance(value, list) else [value]
            for part in reversed(parts):
                if not isinstance(part, dict):
                    raise ConstructorError(
                        "while constructing a mapping",
                        event.start_mark,
                        "expected a mapping or list of mappings for merging",
                        event.start_mark,
                    )
                self.count += len(part)
                if self.count > MAX_NODES:
                    raise self.too_many(event)
                base.update(part)
        base.update(own)
        return base

    def scalar(self, event: Event) -> Any:
        """Resolve one scalar by YAML 1.1's rules."""
        text: str = event.value
        if event.tag is None and not event.implicit[0]:
            if not text.isascii():
                raise self.not_ascii(event)
            return text
        if event.tag is None or event.tag == "!":
            try:
                return self.cache[text]
            except KeyError:
                pass
        value = self.resolve(event, text)
        if event.tag is None and not isinstance(value, list | dict):
            self.cache[text] = value
        return value

    def resolve(self, event: Event, text: str) -> Any:
        """Resolve a scalar that is plain or carries a tag."""
        if self.scalars is None:
            self.scalars = _Constructor()
        tag = event.tag
        if tag is None or tag == "!":
            tag = self.scalars.resolve(yaml.ScalarNode, text, event.implicit)  # type: ignore[no-untyped-call] # stubs
        if tag == _TAG + "str":
            if not text.isascii():
                raise self.not_ascii(event)
            return text
        if tag == _TAG + "value":
            return text
        node = yaml.ScalarNode(tag, text, event.start_mark, event.end_mark)
        maker = self.scalars.yaml_constructors.get(tag)
        if maker is None or tag in (_TAG + "map", _TAG + "seq", _TAG + "set", _TAG + "omap", _TAG + "pairs"):
            raise self.unknown_tag(event, tag)
        try:
            value = maker(self.scalars, node)
        except (ValueError, OverflowError, KeyError, AttributeError, IndexError) as error:
            raise ConstructorError(None, None, f"{text!r} is not a legal value: {error}", event.start_mark) from error
        if isinstance(value, str) and not value.isascii():
            raise self.not_ascii(event)
        if isinstance(value, int) and value.bit_length() > MAX_BITS:
            raise ConstructorError(None, None, "found a number that is too large", event.start_mark)
        return value

    def not_ascii(self, event: Event) -> DslErrors:
        message = f"illegal characters in line: {event.start_mark.line + 1}, column: {event.start_mark.column + 1}. "
        message += f"Only valid ascii chars are supported. Value: {event.value[:100]!r}"
        return _refuse(self.name, message, event.start_mark, Fault.INP, 108)

    def unknown_tag(self, event: Event, tag: str | None = None) -> ConstructorError:
        what = f"could not determine a constructor for the tag {tag or event.tag!r}"
        return ConstructorError(None, None, what, event.start_mark)


Place = tuple[int, int]
"""Line and column, 1-based."""


def locate(text: str, paths: Iterable[Path]) -> dict[Path, Place]:
    """Find where paths stand in a text, in one pass over it.

    Args:
        text: a file that `load` accepted.
        paths: keys and list indexes from the top.

    Returns:
        Path → the place of the longest part of it that is written in the text; a path whose first part is not there is
        missing.
    """
    wanted = _Wanted()
    for path in paths:
        node = wanted
        for part in path:
            node = node.children.setdefault(str(part), _Wanted())
        node.path = path
    found: dict[Path, Place] = {}
    events: Iterator[Event] = yaml.parse(text, Loader=_Loader)
    try:
        for _ in range(2):
            next(events)
        _find(events, next(events), wanted, found)
    except (StopIteration, yaml.YAMLError):
        pass
    return {path: place for path in paths if (place := _longest(path, found)) is not None}


class _Wanted:
    """A tree of paths: the parts that lead on, and the path that ends here."""

    def __init__(self) -> None:
        self.children: dict[str, _Wanted] = {}
        self.path: Path | None = None


def _longest(path: Path, found: dict[Path, Place]) -> Place | None:
    key = tuple(map(str, path))
    for length in range(len(key), 0, -1):
        if key[:length] in found:
            return found[key[:length]]
    return None


def _skip(events: Iterator[Event], event: Event) -> None:
    """Read past the value that begins with `event`."""
    depth = 0
    while True:
        if isinstance(event, MappingStartEvent | SequenceStartEvent):
            depth += 1
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            depth -= 1
        if depth == 0:
            return
        event = next(events)


def _find(
    events: Iterator[Event], event: Event, wanted: _Wanted, found: dict[Path, Place], path: tuple[str, ...] = ()
) -> None:
    """Read the value that begins with `event` and note the places below it that are wanted."""
    if not wanted.children:
        _skip(events, event)
    elif isinstance(event, MappingStartEvent):
        while not isinstance(key := next(events), MappingEndEvent):
            child = wanted.children.get(key.value) if isinstance(key, ScalarEvent) else None
            if child is None:
                _skip(events, key)
                _skip(events, next(events))
            else:
                # Of equal keys the last one counts, as in `load`.
                found[(*path, key.value)] = (key.start_mark.line + 1, key.start_mark.column + 1)
                _find(events, next(events), child, found, (*path, key.value))
    elif isinstance(event, SequenceStartEvent):
        index = 0
        while not isinstance(item := next(events), SequenceEndEvent):
            child = wanted.children.get(str(index))
            if child is None:
                _skip(events, item)
            else:
                found[(*path, str(index))] = (item.start_mark.line + 1, item.start_mark.column + 1)
                _find(events, item, child, found, (*path, str(index)))
            index += 1
