"""Quality at equal parameters and equal training: copying, adding, and handwritten digits read pixel by pixel.

The digits are those that scikit-learn ships (1797 images of 8 x 8 pixels; UCI optical recognition of handwritten digits): real data, but
small, and an order of pixels is not a natural sequence. The first 1000 in a seeded order train, 297 choose the learning rate, 500 score.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional

from benchmarks.gated_layer_models import MODELS, Network, count
from seqsci.cell import parameter_groups
from seqsci.tasks.adding import Adding
from seqsci.tasks.base import Task
from seqsci.tasks.copying import Copying

RATES = (2e-3, 8e-3)
SIZE, BATCH = 24, 32


@dataclass(frozen=True)
class Problem:
    """What is trained on and scored.

    Attributes:
        name, unit: of the score; lower is better.
        features, outputs, context, steps: sizes of the network and of the training.
        floor: the score without memory, in the same unit.
        batch: a training loss from a network and a generator.
        score: of a network on validation (False) or test (True) data.
    """

    name: str
    unit: str
    features: int
    outputs: int
    context: int
    steps: int
    floor: float
    batch: Callable[[Network, torch.Generator], Tensor]
    score: Callable[[Network, bool], float]


def synthetic(name: str, unit: str, task: Task, steps: int) -> Problem:
    """New examples at every step; 512 for validation, 1024 for the test."""
    held = {test: task.draw(1024 if test else 512, torch.Generator().manual_seed(10_001 + test)) for test in (False, True)}

    def batch(network: Network, generator: torch.Generator) -> Tensor:
        examples = task.draw(BATCH, generator)
        return task.loss(network(examples.inputs), examples)

    def score(network: Network, test: bool) -> float:
        return float(task.loss(network(held[test].inputs), held[test]))

    context = held[True].inputs.shape[1]
    return Problem(name, unit, task.features, task.outputs, context, steps, task.memoryless_loss, batch, score)


def digits(steps: int) -> Problem:
    """The class after the last of 64 pixels; score: percent wrong."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    x = torch.from_numpy(data.data[order] / 16.0).float().unsqueeze(-1)
    y = torch.from_numpy(data.target[order])

    def batch(network: Network, generator: torch.Generator) -> Tensor:
        rows = torch.randint(1000, (BATCH,), generator=generator)
        return functional.cross_entropy(network(x[rows])[:, -1], y[rows])

    def score(network: Network, test: bool) -> float:
        rows = slice(1297, None) if test else slice(1000, 1297)
        return 100 * float((network(x[rows])[:, -1].argmax(-1) != y[rows]).float().mean())

    return Problem("digits", "% wrong", 1, 10, 64, steps, 90.0, batch, score)


def train(problem: Problem, name: str, rate: float, seed: int) -> Network:
    """AdamW, weight decay 0.01, gradient norm <= 1, a cosine to 0 after 10 % of rising; the seed decides weights and batches."""
    torch.manual_seed(seed)
    network = Network(name, problem.features, problem.outputs, SIZE, problem.context)
    optimiser = torch.optim.AdamW(parameter_groups(network, 0.01, rate))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, [g["lr"] for g in optimiser.param_groups], problem.steps, pct_start=0.1, cycle_momentum=False
    )
    generator = torch.Generator().manual_seed(seed)
    for _ in range(problem.steps):
        optimiser.zero_grad()
        problem.batch(network, generator).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    return network.eval()


def measured(index: int, name: str, seeds: int) -> tuple[str, str, list[float], str]:
    """Test scores of one model on one problem, at the learning rate that validation prefers; a seed each, the first chose the rate."""
    torch.set_num_threads(1)
    problem, start = problems()[index], time.perf_counter()
    tried = {rate: train(problem, name, rate, 0) for rate in RATES}
    chosen = min(RATES, key=lambda rate: _scored(tried[rate], problem, False))
    scores = [_scored(tried[chosen], problem, True)]
    scores += [_scored(train(problem, name, chosen, seed), problem, True) for seed in range(1, seeds)]
    size = count(tried[chosen])
    note = f"{problem.unit}, rate {chosen:g}, {size} parameters, {time.perf_counter() - start:.0f} s (without memory {problem.floor:.4f})"
    return problem.name, name, scores, note


def _scored(network: Network, problem: Problem, test: bool) -> float:
    with torch.no_grad():
        score = problem.score(network, test)
    return score if np.isfinite(score) else float("inf")


def problems() -> tuple[Problem, ...]:
    """The three of the benchmark."""
    return (
        synthetic("copy", "nats/symbol", Copying(symbols=4, length=4, delay=24), 300),
        synthetic("adding", "squared error", Adding(steps=50), 300),
        digits(400),
    )


def quality(seeds: int) -> dict[str, float]:
    """Every problem and model on two processes of one thread; keys for the line of JSON."""
    figures = {}
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(measured, index, name, seeds) for index in range(3) for name in MODELS]
        for job in jobs:
            problem, name, scores, note = job.result()
            figures[f"quality_{problem}_{name}"] = float(np.mean(scores))
            spread = "one seed"
            if seeds > 1:
                figures[f"quality_{problem}_{name}_sd"] = float(np.std(scores, ddof=1))
                spread = f"{np.std(scores, ddof=1):.4f}"
            print(f"{problem:7} {name:7} {np.mean(scores):8.4f} +- {spread}  {note}", flush=True)
    return figures
