"""Stored filters, filter rules and labels rules."""
