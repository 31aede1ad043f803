"""What a model of memory is compared with."""
