"""Agents."""

from __future__ import annotations

from cloudify_rest_client.records import Record
from cloudify_rest_client.resource import Resource


class Agent(Record):
    """One of them."""


class AgentsClient(Resource):
    """Agents."""

    path = "/agents"
    key = "name"
