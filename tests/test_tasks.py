"""Tasks of memory: the target is what was shown, the stated loss is that of a model that remembers nothing, seeds decide the draw."""

from __future__ import annotations

import math

import pytest
import torch

from seqsci.errors import ParameterError
from seqsci.tasks.adding import Adding
from seqsci.tasks.copying import Copying

TASKS = (Copying(4, 5, 20), Copying(2, 1, 0), Adding(30), Adding(2), Adding(7))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("task", TASKS, ids=repr)
def test_shapes_are_as_declared_and_the_seed_decides(task):
    got, same, other = task.draw(64, seeded()), task.draw(64, seeded()), task.draw(64, seeded(1))
    assert got.inputs.shape[2] == task.features and got.inputs.dtype == torch.float32
    assert got.scored.shape == got.inputs.shape[1:2] and got.targets.shape[:2] == got.inputs.shape[:2]
    assert torch.equal(got.inputs, same.inputs) and torch.equal(got.targets, same.targets)
    assert not torch.equal(got.inputs, other.inputs)


def test_the_copy_is_what_was_shown_and_nothing_shows_it_again():
    task = Copying(5, 4, 9)
    got = task.draw(200, seeded())
    shown = got.inputs.argmax(-1)
    assert torch.equal(shown[:, :4], got.targets[:, -4:]) and int(got.scored.sum()) == 4
    assert bool((shown[:, 4:13] == 5).all()) and bool((shown[:, 13] == 6).all()) and bool((shown[:, 14:] == 5).all())
    assert set(shown[:, :4].flatten().tolist()) == set(range(5))


def test_uniform_scores_lose_the_memoryless_loss_of_copying_and_right_ones_nothing():
    task = Copying(6, 3, 5)
    got = task.draw(50, seeded())
    flat = torch.zeros(*got.targets.shape, 6)
    assert float(task.loss(flat, got)) == pytest.approx(task.memoryless_loss) == pytest.approx(math.log(6))
    right = 50.0 * torch.nn.functional.one_hot(got.targets, 6)
    assert float(task.loss(right, got)) < 1e-6


@pytest.mark.parametrize("steps", [2, 7, 30])
def test_one_number_of_each_half_is_marked_and_the_target_is_their_sum(steps):
    got = Adding(steps).draw(300, seeded())
    numbers, marks = got.inputs.unbind(-1)
    assert bool((marks[:, : steps // 2].sum(1) == 1).all()) and bool((marks[:, steps // 2 :].sum(1) == 1).all())
    torch.testing.assert_close((numbers * marks).sum(1), got.targets[:, -1, 0])


@pytest.mark.parametrize("steps", [2, 5, 40])
def test_the_best_guess_from_the_last_step_loses_the_memoryless_loss_of_adding(steps):
    task, n = Adding(steps), 400_000 // steps
    got = task.draw(n, seeded())
    number, mark = got.inputs[:, -1].unbind(-1)
    guess = torch.zeros(n, steps, 1)
    guess[:, -1, 0] = torch.where(mark == 1, number + 0.5, 1.0)
    errors = (guess[:, -1, 0] - got.targets[:, -1, 0]).square()
    assert float(task.loss(guess, got)) == pytest.approx(task.memoryless_loss, abs=4 * float(errors.std()) / n**0.5)


@pytest.mark.parametrize("make", [lambda: Copying(1), lambda: Copying(length=0), lambda: Copying(delay=-1), lambda: Adding(1)])
def test_an_empty_task_is_refused(make):
    with pytest.raises(ParameterError, match="fix:"):
        make()
