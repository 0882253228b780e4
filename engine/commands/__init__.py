"""The commands of `rollplay`, one a file; each imports what is heavy only when it runs."""
