"""Users, tenants, roles and tokens."""
