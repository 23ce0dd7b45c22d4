"""Wake-ups: how a worker learns at once that something is pending. The execution row is the truth, a wake-up a hint."""
