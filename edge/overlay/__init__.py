"""What a person added to a bundle, and how it is kept."""
