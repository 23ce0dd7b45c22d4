"""Stored files between hosts: the API's door for them, and what a worker on another host does in front of it."""
