"""The pages of one publication, as each reader may see them. Knows nothing of HTTP."""
