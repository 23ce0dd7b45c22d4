"""Secrets, encrypted at rest."""
