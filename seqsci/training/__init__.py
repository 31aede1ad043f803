"""Training by gradient descent: the Lightning module, drives on data, checkpoints that resume to the same bits."""
