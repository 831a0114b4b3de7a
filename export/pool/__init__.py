"""A folder of unlabelled recordings → their embeddings, in which each label finds its nearest."""
