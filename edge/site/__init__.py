"""What a place sounds like → rivals of the labels, and what they cost."""
