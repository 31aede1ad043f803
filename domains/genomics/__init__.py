"""Genomics: enhancers as leaky integrators along DNA, methylation as a gate between gain and loss, on the field's own formats."""
