"""The execution scheduler: rules, verdicts and the minute loop."""
