"""Deployments, their labels, updates and settings."""
