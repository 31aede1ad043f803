"""What a set of population series says about density dependence while the carrying capacity drifts."""
