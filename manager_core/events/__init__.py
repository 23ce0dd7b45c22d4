"""Events and logs of executions."""
