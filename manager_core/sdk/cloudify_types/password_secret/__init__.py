"""PasswordSecret: a node that makes up a password and keeps it as a secret."""

from __future__ import annotations

from cloudify_types.password_secret.operations import create, creation_validation, delete

__all__ = ["create", "creation_validation", "delete"]
