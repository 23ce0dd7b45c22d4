"""Heartbeats of the services and the health verdict."""
