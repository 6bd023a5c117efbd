"""The operations, one file a family; each says what it means in NumPy, how it differentiates, how it becomes loops."""
