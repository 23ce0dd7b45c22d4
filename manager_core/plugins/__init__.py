"""Plugins: upload, versions, environments."""
