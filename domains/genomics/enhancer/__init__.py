"""Enhancers as leaky integrators along DNA: banks of decay lengths, element-gene pairs, baselines, evaluation, prediction."""
