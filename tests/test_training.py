"""Training: the drive reaches what it should, decay keeps off science, an interrupted run goes on to the same bits."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

pl = pytest.importorskip("pytorch_lightning", reason="the train extra is not installed")

from seqsci import compare  # noqa: E402
from seqsci.cell import Cell, NetworkDrive, parameter_groups  # noqa: E402
from seqsci.data.datamodule import SequenceDataModule, collate  # noqa: E402
from seqsci.data.sampler import EpochSampler  # noqa: E402
from seqsci.data.splits import Split, Windows  # noqa: E402
from seqsci.domains.finance import models  # noqa: E402
from seqsci.errors import DataError, ParameterError  # noqa: E402
from seqsci.estimation.maximum_likelihood import MaximumLikelihood  # noqa: E402
from seqsci.sequences import Sequences  # noqa: E402
from seqsci.training.checkpoints import AtomicCheckpoint, RandomState  # noqa: E402
from seqsci.training.forecaster import Forecaster  # noqa: E402
from seqsci.training.gradient import DrivenPredictor, DriveSpec, GradientDescent, feed  # noqa: E402
from tests.driven_series import MODEL, driven_series  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec", "ignore:.*does not have many workers", "ignore:.*Checkpoint directory")


@pytest.fixture(scope="module")
def series() -> Sequences:
    return driven_series(1500, 3)


@pytest.fixture(scope="module")
def trained(series: Sequences):
    return GradientDescent(DriveSpec(("covariate",), 8), epochs=80, learning_rate=0.02, drive_learning_rate=0.02).train(MODEL, series)


def test_weight_decay_leaves_a_scientific_parameter_unmoved_under_zero_gradient() -> None:
    module = torch.nn.ModuleDict({"cell": Cell(models.garch_normal()), "drive": NetworkDrive("x", ("a",), 4)})
    torch.nn.init.ones_(module["drive"].layers[2].weight)
    before = {n: p.detach().clone() for n, p in module.named_parameters()}
    half_life = module["cell"].to_model().derived_values["half_life"]
    optimiser = torch.optim.AdamW(parameter_groups(module, weight_decay=0.5, learning_rate=0.1))
    for p in module.parameters():
        p.grad = torch.zeros_like(p)
    for _ in range(10):
        optimiser.step()
    for name, p in module.named_parameters():
        moved = not torch.equal(p, before[name])
        assert moved == (name in ("drive.layers.0.weight", "drive.layers.2.weight")), name
    assert module["cell"].to_model().derived_values["half_life"] == half_life


def test_training_finds_the_drive_and_beats_the_undriven_model_on_new_rows(series: Sequences, trained) -> None:
    held_out = driven_series(800, 4)
    plain = MaximumLikelihood(profile_bounds=False).fit(MODEL, series)
    fitted = trained.fit
    assert fitted.log_likelihood > plain.log_likelihood + 5
    path = fitted.model.filter(trained.driven(held_out))
    undriven = plain.model.filter(held_out)
    assert path.density.sum() > undriven.density.sum() + 3
    drive = fitted.sequences.known["gate_drive"]
    high = series.known["covariate"] > 0
    assert drive[high].mean() < drive[~high].mean() - 0.5
    assert fitted.driven_by == ("gate_drive",)
    assert "made by a network that was trained on these rows" in str(fitted.summary())


def test_conclusions_are_the_likelihood_maximum_given_the_drive(trained) -> None:
    again = MaximumLikelihood(starts=1, warm=True).fit(trained.fit.model, trained.fit.sequences)
    assert again.log_likelihood == pytest.approx(trained.fit.log_likelihood, abs=1e-4)
    assert all(np.isfinite(trained.fit.standard_error(n)) for n in trained.fit.free_names)


def test_the_same_seed_gives_the_same_bits(series: Sequences) -> None:
    estimator = GradientDescent(DriveSpec(("covariate",), 4), epochs=6, windows=Windows(200, 50, 2), seed=5)
    a, b = (estimator.train(MODEL, series.rows(0, 900)) for _ in range(2))
    assert a.history == b.history
    for (name, x), y in zip(a.drive.state_dict().items(), b.drive.state_dict().values(), strict=True):
        assert torch.equal(x, y), name


def test_a_comparison_of_a_driven_fit_needs_the_estimator_that_retrains_it(series: Sequences, trained) -> None:
    with pytest.raises(DataError, match="trained on these rows"):
        compare(trained.fit, [MODEL.named("undriven")])


def test_a_driven_forecast_of_a_row_uses_no_outcome_from_it_on(series: Sequences) -> None:
    estimator = GradientDescent(DriveSpec(("covariate",), 4), epochs=3)
    fitted = DrivenPredictor(MODEL, estimator).fit(series.rows(0, 700))
    rows = series.rows(700, 720)
    changed = Sequences({"log_return": np.r_[rows.outcome["log_return"][:10], np.full(10, 9.0)]}, rows.known, measure=rows.measure)
    a, b = fitted.predict_rows(rows), fitted.predict_rows(changed)
    np.testing.assert_array_equal(np.asarray(a.variance)[:11], np.asarray(b.variance)[:11])
    assert not np.array_equal(a.variance, b.variance)


def test_the_order_of_samples_is_a_function_of_seed_and_epoch() -> None:
    a, b = EpochSampler(50, 3), EpochSampler(50, 3)
    for epoch in (4, 0, 4):
        a.set_epoch(epoch)
        b.set_epoch(epoch)
        torch.manual_seed(random.randrange(1000))
        assert list(a) == list(b) and sorted(a) == list(range(50))
    b.set_epoch(5)
    assert list(a) != list(b)
    with pytest.raises(DataError, match="nothing to sample"):
        EpochSampler(0, 1)


def test_splits_are_chronological_and_only_their_own_rows_carry_weight(series: Sequences) -> None:
    data = SequenceDataModule(MODEL, series, Split(0.2, 0.1), Windows(100, 30, 4), seed=1)
    scored = np.zeros(len(series))
    for batch in data.train_dataloader():
        assert batch.weight.shape[1] <= 130
    for part, low, high in (("training", 0, 1050), ("validation", 1050, 1350), ("test", 1350, 1500)):
        for p in data._parts[part]:
            assert low <= p.scored < p.stop <= high and p.start <= p.scored
            scored[p.scored : p.stop] += 1
    assert (scored == 1).all()
    for bad in ((0.6, 0.5), (-0.1, 0.0)):
        with pytest.raises(DataError, match="no training rows"):
            Split(*bad)


def test_padding_changes_no_loss(series: Sequences) -> None:
    data = SequenceDataModule(MODEL, series.rows(0, 230), Split(0.0), Windows(100, 20, 1), seed=1)
    windows = [data._dataset("training")[i] for i in range(3)]
    module = Forecaster(MODEL)
    together = module(collate(windows)).log_density
    for row, window in zip(together, windows, strict=True):
        alone = module(collate([window])).log_density[0]
        assert torch.equal(row[: len(alone)], alone)


def test_mixed_precision_touches_the_drive_alone(series: Sequences) -> None:
    drive = DriveSpec(("covariate",), 8).build(series.known)
    seen = {}
    drive.layers[0].register_forward_hook(lambda _m, _i, out: seen.update(drive=out.dtype))
    module = Forecaster(MODEL, drive)
    batch = collate([SequenceDataModule(MODEL, series.rows(0, 100), Split(0.0))._dataset("training")[0]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        trace = module(batch)
    assert seen["drive"] == torch.bfloat16 and trace.log_density.dtype == torch.float64
    assert torch.equal(trace.log_density, Forecaster(MODEL)(batch).log_density)  # an untrained drive is no drive


def test_a_drive_without_its_inputs_says_which() -> None:
    with pytest.raises(ParameterError, match="covariate"):
        DriveSpec(("covariate",)).build({"other": np.zeros(3)})
    with pytest.raises(DataError, match="covariate"):
        feed(NetworkDrive("gate_drive", ("covariate",)), Sequences({"log_return": np.zeros(3)}))


class Dropping(NetworkDrive.__mro__[1]):  # Drive
    """A drive that draws random numbers in training, so that a resumed run must have the generator's state."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, known):
        made = torch.nn.functional.dropout(self.layer(known["covariate"].float()[..., None]), 0.5, self.training)
        return {"gate_drive": made.squeeze(-1).double()}


def test_resuming_is_bit_equal_also_where_the_network_draws_random_numbers(series: Sequences, tmp_path: Path) -> None:
    def run(epochs: int, folder: Path, resume: Path | None = None):
        torch.manual_seed(11 if resume is None else 999)
        data = SequenceDataModule(MODEL, series.rows(0, 400), Split(0.0), Windows(80, 20, 2), seed=1)
        module = Forecaster(MODEL, Dropping(), 0.01, 0.01)
        if resume is not None:
            torch.manual_seed(123456)
        keep = pl.callbacks.ModelCheckpoint(folder, "last", every_n_epochs=1, save_on_train_epoch_end=True, enable_version_counter=False)
        quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu", "devices": 1}
        quiet |= {"limit_val_batches": 0, "num_sanity_val_steps": 0}
        trainer = pl.Trainer(max_epochs=epochs, callbacks=[RandomState(), keep], plugins=[AtomicCheckpoint()], **quiet)
        trainer.fit(module, data, ckpt_path=None if resume is None else str(resume), weights_only=None if resume is None else True)
        return module.state_dict(), trainer.optimizers[0].state_dict()

    whole, state = run(6, tmp_path / "a")
    run(3, tmp_path / "b")
    again, resumed = run(6, tmp_path / "b", tmp_path / "b" / "last.ckpt")
    assert max(float((whole[n] - again[n]).abs().max()) for n in whole) == 0.0
    for key, moments in state["state"].items():
        assert all(torch.equal(torch.as_tensor(v), torch.as_tensor(resumed["state"][key][n])) for n, v in moments.items())
