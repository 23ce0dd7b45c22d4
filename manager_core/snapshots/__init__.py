"""Snapshots of the whole manager."""
