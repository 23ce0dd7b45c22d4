"""Nodes, node instances and deployment modifications."""
