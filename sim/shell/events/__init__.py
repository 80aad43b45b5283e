"""What a run tells while it is at work, and who renders it."""
