"""From files of reviews to one frame."""
