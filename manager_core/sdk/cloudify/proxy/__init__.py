"""The `ctx` command of scripts: a server beside the operation, a client on the script's PATH (contract §5.10)."""
