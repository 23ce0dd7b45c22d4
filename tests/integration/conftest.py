"""The product's commands for modules that run many of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.warm_product import WarmProduct


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmProduct]:
    """A process to fork commands from."""
    product = WarmProduct(tmp_path_factory.mktemp("product"))
    yield product
    product.close()
