"""Configuration values, provider context and what the manager says of itself."""
