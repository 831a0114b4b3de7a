"""What each window sounded like, kept without sound, and searched."""
