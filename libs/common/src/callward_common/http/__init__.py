"""The HTTP doors: the application, its error documents and its models."""
