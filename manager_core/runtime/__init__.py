"""The execution process and what it is made of."""
