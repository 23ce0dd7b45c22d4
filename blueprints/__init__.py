"""Built-in types and example blueprints, shipped as data."""
