"""The manager core: blueprints, deployments, executions, the workflow runtime and the REST API."""
