"""Moving a manager from SQLite to PostgreSQL: `cloudify-manager migrate --from-sqlite DIR`."""
