"""Why an event began, and why a near miss was none."""
