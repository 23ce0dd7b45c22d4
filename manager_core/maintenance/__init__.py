"""Maintenance mode and its windows."""
