"""What the resources of the API have in common: get, list with all its conventions, delete."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cloudify_rest_client.records import ListResponse, listing, record

PAGE = 1000


class Resource:
    """One kind of object: its address, and the requests every kind knows."""

    path = ""
    key = "identifier"
    """What callers name the identifier of one object when they name it."""

    def __init__(self, api: Any) -> None:
        self.api = api

    def _address(self, identifier: str | None, named: dict[str, Any]) -> str:
        """Return the address of one object, given by position or under the name of this resource's `key`."""
        if identifier is None and self.key in named:
            identifier = named.pop(self.key)
        if not identifier:
            raise TypeError(f"{type(self).__name__} needs the argument {self.key!r}")
        return f"{self.path}/{identifier}"

    def get(self, identifier: str | None = None, _include: list[str] | None = None, **params: Any) -> Any:
        """Return one object; `CloudifyClientError` 404 when there is none."""
        address = self._address(identifier, params)
        return record(self.api.get(address, params={**_fields(_include), **params}))

    def list(
        self,
        _include: Any = None,
        sort: str | None = None,
        is_descending: bool = False,
        filter_id: str | None = None,
        filter_rules: Any = None,
        constraints: Any = None,
        **kwargs: Any,
    ) -> ListResponse:
        """Return one page of objects, or all of them.

        Args:
            _include: fields to return.
            sort: field to sort by.
            is_descending: whether the largest come first.
            filter_id: a stored filter.
            filter_rules: filter rules to apply.
            constraints: constraints to apply.
            kwargs: filters by field, ``_offset``, ``_size``, ``_search``, ``_all_tenants``; ``_get_all_results``
            collects
                every page.
        """
        everything = kwargs.pop("_get_all_results", False)
        params = {**_fields(_include), **kwargs}
        if sort:
            params["_sort"] = f"-{sort}" if is_descending else sort
        if filter_id:
            params["_filter_id"] = filter_id
        body: dict[str, Any] | None = None
        if filter_rules is not None or constraints is not None:
            body = {"filter_rules": filter_rules} if constraints is None else {"constraints": constraints}
        if not everything:
            return self._page(params, body)
        return self._all_pages(params, body)

    def _page(self, params: dict[str, Any], body: dict[str, Any] | None) -> ListResponse:
        if body is None:
            return listing(self.api.get(self.path, params=params))
        return listing(self.api.post(f"/searches{self.path}", data=body, params=params))

    def _all_pages(self, params: dict[str, Any], body: dict[str, Any] | None) -> ListResponse:
        collected: list[Any] = []
        while True:
            page = self._page({**params, "_offset": len(collected), "_size": PAGE}, body)
            collected += page.items
            if not page.items or len(collected) >= page.total:
                page.items = collected
                return page

    def delete(self, identifier: str | None = None, force: bool = False, **named: Any) -> None:
        """Delete one object."""
        self.api.delete(self._address(identifier, named), params={"force": force} if force else None)

    def set_visibility(self, identifier: str | None = None, visibility: str = "", **named: Any) -> Any:
        """Set who may see an object: ``private``, ``tenant`` or ``global``."""
        address = self._address(identifier, named)
        return record(self.api.patch(f"{address}/set-visibility", data={"visibility": visibility}))

    def set_global(self, identifier: str | None = None, **named: Any) -> Any:
        """Let every tenant see an object."""
        return self.set_visibility(identifier, "global", **named)

    def _download(self, uri: str, output_file: str | None, params: Any = None) -> str:
        target = output_file or uri.strip("/").replace("/", "-")
        with Path(target).open("wb") as out:
            for piece in self.api.get(uri, params=params, stream=True).bytes_stream():
                out.write(piece)
        return target


def _fields(include: Any) -> dict[str, Any]:
    return {"_include": include if isinstance(include, str) else ",".join(include)} if include else {}


def given(**values: Any) -> dict[str, Any]:
    """Return the values that are not None."""
    return {key: value for key, value in values.items() if value is not None}
