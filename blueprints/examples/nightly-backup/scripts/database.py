"""Find the database, or make a sample one, and remember where it is."""

import os
import sqlite3

from cloudify import ctx
from cloudify.exceptions import NonRecoverableError
from cloudify.state import ctx_parameters as inputs

path = inputs.get("path")
if path:
    if not os.path.isfile(path):
        raise NonRecoverableError(f"There is no database at {path}")
else:
    path = os.path.join(ctx.plugin.workdir, "sample.db")
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE IF NOT EXISTS customers (id INTEGER PRIMARY KEY, name TEXT)")
        if not database.execute("SELECT count(*) FROM customers").fetchone()[0]:
            database.executemany(
                "INSERT INTO customers (name) VALUES (?)", [(f"customer {number}",) for number in range(1000)]
            )
    ctx.logger.info("Made a sample database with 1000 customers")
ctx.instance.runtime_properties["path"] = os.path.abspath(path)
