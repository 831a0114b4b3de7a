"""A few recordings of a sound → a label."""
