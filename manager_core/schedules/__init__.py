"""Execution schedules, their history and calendars."""
