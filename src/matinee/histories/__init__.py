"""One person's history, as other sites export it: files in, entries out, and the way back."""
