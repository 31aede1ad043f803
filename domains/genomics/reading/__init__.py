"""From the field's files to frames, sequences and signals, all 0-based half-open, and back to bedGraph and bigWig."""
