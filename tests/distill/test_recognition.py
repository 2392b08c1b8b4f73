"""What a teacher recognises: its term of the loss, and the labels of what was learned."""

import numpy as np
import pytest
import torch

from fredfmt import ArgumentError, decode
from fredfmt.distill import DistillConfig, FrequencySynset, distill
from fredfmt.distill.evaluation.teacher import train_teacher
from fredfmt.distill.networks.room import EVERYTHING, Room
from fredfmt.distill.run import Run
from fredfmt.distill.run.recognition import Recognition
from fredfmt.distill.runtime.distributed import Ranks
from fredfmt.distill.synset.start import chosen_images, initial_data

CONFIG = DistillConfig(
    k=16, ipc=0.5, mask="low", step=3.0, quantize_in_loop=True, iterations=40, batch_real=4, lr=0.1, average=0,
    network={"width": 8}, augmentation="crop_scale", teacher_steps=200, teacher_width=12, teacher_weight=10.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def teacher(digits):
    return train_teacher(digits, CONFIG)


def divergence(teacher, data, originals):
    """Mean Kullback-Leibler divergence of the answers for stored images from those for their originals."""
    wanted, found = (np.log(teacher.labels(images) + 1e-9) for images in (originals, decode(data).numpy()))
    return float((np.exp(wanted) * (wanted - found)).sum(1).mean())


def test_instances_are_recognised_as_their_originals_are(digits, teacher):
    originals = chosen_images(digits, CONFIG).normalized
    start, without, taught = (
        divergence(teacher, distill(digits, CONFIG.replace(**change)), originals)
        for change in ({"iterations": 0}, {"teacher_weight": 0.0}, {})
    )
    assert taught < 0.5 * min(start, without)


@pytest.mark.parametrize("weight", [2.0, 5.0])
@pytest.mark.parametrize("room", [EVERYTHING, Room(8, 3)])
def test_the_gradient_is_that_of_the_mean_divergence(digits, teacher, monkeypatch, room, weight):
    config = CONFIG.replace(teacher_weight=weight, augmentation="none")
    monkeypatch.setattr("fredfmt.distill.evaluation.teacher.Teacher.room", lambda self, device: room)
    run = Run(digits, config, "cpu")
    coefficients = run.state.synset.coefficients
    coefficients.grad = torch.ones_like(coefficients)
    recognition = Recognition(teacher, chosen_images(digits, config).normalized, weight, Ranks())
    recognition.add_gradient(coefficients, run.iteration(0, run.state.synset), scale=3.0)

    originals = torch.from_numpy(chosen_images(digits, config).normalized[:])
    (wanted,) = torch.autograd.grad(
        teacher.divergence(run.state.synset.images(), originals) / len(originals), coefficients
    )
    torch.testing.assert_close(coefficients.grad - 1, 3 * weight * wanted, rtol=1e-4, atol=1e-5)
    assert float(wanted.abs().max()) > 0.01


@pytest.mark.parametrize("learn_labels", [False, True])
def test_labels_of_the_result_say_what_can_be_seen_of_it(digits, teacher, learn_labels):
    config = CONFIG.replace(learn_labels=learn_labels, lr_labels=1.0, iterations=5)
    run = Run(digits, config, "cpu")
    for _ in range(5):
        run.step()
    result = run.state.data()
    wanted = teacher.labels_of(chosen_images(digits, config).normalized, result)
    if learn_labels:
        assert np.abs(result.labels - wanted).max() > 1 / 16
        wanted = (wanted + run.state.synset.labels.detach().numpy()) / 2
    assert np.abs(result.labels - wanted).max() < 1 / 16


def test_labels_of_originals_stay_as_they_were_learned(digits):
    config = CONFIG.replace(teacher_labels="originals", teacher_weight=0.0, iterations=5)
    assert np.array_equal(distill(digits, config).labels, distill(digits, config.replace(iterations=0)).labels)


def test_a_weight_needs_a_teacher():
    with pytest.raises(ArgumentError, match="teacher_steps"):
        DistillConfig(teacher_weight=1.0)


def test_the_gradient_stays_on_the_device(patches):
    class Asked:
        """What a teacher is asked, of one without values."""

        network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(2 * 13 * 17, 3, device="meta"))

        def room(self, device):
            return EVERYTHING

        def divergence(self, images, originals):
            return (self.network(images) - self.network(originals)).square().sum()

    config = DistillConfig(objective="dm", ipc=0.4, k=29, network={"width": 4, "depth": 2})
    run = Run(patches, config, "meta")
    coefficients = run.state.synset.coefficients
    coefficients.grad = torch.zeros_like(coefficients)
    originals = chosen_images(patches, config).normalized
    Recognition(Asked(), originals, 1.0, Ranks()).add_gradient(coefficients, run.iteration(0, run.state.synset))
    assert coefficients.grad.device.type == "meta"


def test_a_set_keeps_its_coefficients_where_labels_are_replaced(digits, teacher):
    start = initial_data(digits, CONFIG)
    synset = FrequencySynset.from_data(start, learn_labels=True)
    recognition = Recognition(teacher, chosen_images(digits, CONFIG).normalized, 1.0, Ranks())
    made = recognition.labelled(synset, synset.to_data(step=3.0))
    assert torch.equal(made.coefficients, synset.coefficients)
    assert made.logits is None
    assert made.labels.shape == (len(start), 10)


@pytest.mark.parametrize("objective", ["dm", "frepo"])
def test_instances_count_to_the_class_of_their_image_whatever_the_teacher_says(digits, objective):
    config = CONFIG.replace(objective=objective, teacher_steps=1, iterations=2)
    run = Run(digits, config, "cpu")
    assert len(np.unique(run.state.start.hard_labels)) < 10
    assert [len(run.state.synset.indices_of(label)) for label in range(10)] == [2] * 10
    assert np.isfinite(distill(digits, config).spectra()).all()
