"""One container's console: lines, their reader, their log."""
