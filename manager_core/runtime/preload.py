"""Imported by the fork server, and by nothing else: importing it is what warms the server."""

from manager_core.runtime.warm import warm

warm()
