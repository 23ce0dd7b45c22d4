"""Operations of the built-in types Component, SharedResource, Blueprint and PasswordSecret.

The plugin ``cfy_extensions`` of the built-in types maps to these names.
"""
