"""Runs inside the reference environment: one JSON request a line on stdin, one JSON answer a line on stdout.

A request is ``{"path", "resources", "plugins"?, "blueprints"?}``: the main file, the resources root, a folder with
``NAME/VERSION/plugin.yaml``, and id → main file of blueprints to import. The answer is ``{"plan", "seconds"}`` or
``{"error": {"kind", "code", "message"}, "seconds"}``.
"""

import json
import sys
import time
from pathlib import Path

from dsl_parser import parser
from dsl_parser.import_resolver.default_import_resolver import DefaultImportResolver


class Resolver(DefaultImportResolver):
    """Serves plugins from a folder and blueprints from given files."""

    def __init__(self, request):
        super().__init__()
        self.request = request

    def fetch_import(self, import_url, **kwargs):
        scheme, _, rest = import_url.partition(":")
        if scheme == "plugin":
            home = Path(self.request["plugins"]) / rest.partition("?")[0]
            return (sorted(home.iterdir())[-1] / "plugin.yaml").read_text()
        if scheme == "blueprint":
            path = self.request["blueprints"][rest]
            return parser.parse_from_import_blueprint(Path(path).read_text(), self.request["resources"], path, self)
        return super().fetch_import(import_url, **kwargs)


def plain(value):
    """Sets as lists, anything else that JSON lacks as its text."""
    return list(value) if isinstance(value, set | frozenset) else str(value)


def answer(request):
    """Parse one blueprint with the reference parser."""
    started = time.perf_counter()
    try:
        plan = parser.parse_from_path(request["path"], request["resources"], resolver=Resolver(request))
    except Exception as error:  # noqa: BLE001 - the reference raises many kinds, all of them are answers
        reply = {
            "error": {
                "kind": type(error).__name__,
                "code": getattr(error, "err_code", None),
                "message": str(error),
            }
        }
    else:
        reply = {"plan": plan}
    reply["seconds"] = time.perf_counter() - started
    return reply


if __name__ == "__main__":
    import logging

    logging.disable(logging.CRITICAL)
    out = sys.stdout
    sys.stdout = sys.stderr
    for line in sys.stdin:
        out.write(json.dumps(answer(json.loads(line)), default=plain) + "\n")
        out.flush()
