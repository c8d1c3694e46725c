"""Of the agent, as reports name it."""

VERSION = "1.0.0"
