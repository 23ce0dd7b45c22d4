"""The built-in workflows under the names authors import."""
