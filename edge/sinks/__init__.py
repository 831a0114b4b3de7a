"""Where events go: a person's terminal, or JSON lines."""
