"""What an operation does, by its primitive: a file a family of operations."""
