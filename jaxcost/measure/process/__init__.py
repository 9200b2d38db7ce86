"""Worker processes: a sweep is measured by several, one after another, each started afresh."""
