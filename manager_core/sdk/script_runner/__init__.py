"""The plugin ``script``: runs scripts of the blueprint as operations and workflows (contract §5.10)."""
