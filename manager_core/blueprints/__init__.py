"""Blueprints: upload, parse, keep, delete."""
