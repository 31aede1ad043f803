"""Annual counts from files to the one frame, and from the frame to a panel with training and test windows."""
