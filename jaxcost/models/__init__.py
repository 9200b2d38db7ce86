"""Cost models: one file a model, each citing its equations."""
