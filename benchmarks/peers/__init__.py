"""Programs that run in environments of their own, to be measured against."""
