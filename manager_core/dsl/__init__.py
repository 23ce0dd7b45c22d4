"""The blueprint language: text to plan, plan to node instances. Pure."""
