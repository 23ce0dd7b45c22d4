"""The shared web edge."""
