import copy
from dataclasses import replace

import numpy as np
import pytest
import scipy.fft
import torch

from fredfmt import ArgumentError, encode
from fredfmt.distill import FrequencySynset


@pytest.fixture
def data(patches):
    chosen = patches.sample(5, seed=1)
    return encode(
        chosen.normalized, chosen.labels, k=23, step=None, normalization=patches.normalization, classes=patches.classes
    )


def dense(coefficients, data):
    """(instance, channel, height, width) spectra with zeros outside the masks."""
    spectra = np.zeros((*coefficients.shape[:2], 13 * 17), coefficients.dtype)
    for i, mask in enumerate(data.mask_of):
        spectra[i][:, data.frequencies[mask]] = coefficients[i]
    return spectra.reshape(*coefficients.shape[:2], 13, 17)


@pytest.mark.parametrize("indices", [None, [14, 0, 3, 3], torch.tensor([7]), range(2, 6)])
def test_it_decodes_any_instances(data, indices):
    synset = FrequencySynset.from_data(data)
    images = scipy.fft.idctn(dense(data.coefficients, data), axes=(2, 3), norm="ortho")
    expected = images if indices is None else images[np.asarray(indices)]
    np.testing.assert_allclose(synset(indices).detach(), expected, atol=1e-5)
    assert torch.equal(synset.images(indices), synset(indices))


def test_its_only_parameter_is_the_kept_coefficients(data):
    synset = FrequencySynset.from_data(data)
    assert {name: value.shape for name, value in synset.named_parameters()} == {"coefficients": (15, 2, 23)}
    assert list(synset.state_dict()) == ["coefficients"]
    assert synset.coefficients.dtype == torch.float32
    assert len(synset) == 15
    assert synset.class_names == ("across", "down", "slant")


def test_gradients_are_those_of_the_dense_transform_at_the_kept_frequencies(data):
    synset = FrequencySynset.from_data(data)
    weights = torch.randn(4, 2, 13, 17, generator=torch.Generator().manual_seed(0))
    rows = [9, 2, 2, 13]
    (synset(rows) * weights).sum().backward()
    spectra = np.zeros((15, 2, 13, 17))
    np.add.at(spectra, rows, scipy.fft.dctn(weights.numpy(), axes=(2, 3), norm="ortho"))
    expected = np.take_along_axis(
        spectra.reshape(15, 2, -1), data.frequencies[data.mask_of][:, None].astype(np.intp), axis=2
    )
    np.testing.assert_allclose(synset.coefficients.grad, expected, atol=1e-5)
    assert (synset.coefficients.grad[[0, 1, 14]] == 0).all()


def test_rounding_in_the_loop_is_that_of_the_file_and_gradients_pass_it(data):
    exact, rounded = FrequencySynset.from_data(data), FrequencySynset.from_data(data, loop_step=0.7)
    stored = FrequencySynset.from_data(exact.to_data(step=0.7))
    torch.testing.assert_close(rounded(), stored(), rtol=0, atol=1e-5)
    assert (rounded() - exact()).abs().max() > 0.1
    weights = torch.randn(15, 2, 13, 17, generator=torch.Generator().manual_seed(0))
    for synset in (exact, rounded):
        (synset() * weights).sum().backward()
    torch.testing.assert_close(rounded.coefficients.grad, exact.coefficients.grad)


def test_data_come_back_as_they_were(data):
    assert FrequencySynset.from_data(data).to_data() == replace(data, metadata=exact_metadata(data))
    quantised = FrequencySynset.from_data(data).to_data(step=0.25)
    again = FrequencySynset.from_data(quantised).to_data(step=0.25)
    np.testing.assert_array_equal(again.coefficients, quantised.coefficients)
    assert again.coefficients.dtype == np.int16
    assert again.metadata.quantization.step == 0.25


def exact_metadata(data):
    quantization = replace(data.metadata.quantization, error_max=0.0, error_rms=0.0)
    return replace(data.metadata, quantization=quantization)


def test_a_base_becomes_part_of_the_instances(patches):
    chosen = patches.sample(5, seed=1)
    data = encode(chosen.normalized, chosen.labels, k=23, step=0.3, base=True)
    synset = FrequencySynset.from_data(data)
    real = (data.coefficients + data.base[data.mask_of]) * 0.3
    np.testing.assert_allclose(
        synset().detach(), scipy.fft.idctn(dense(real, data), axes=(2, 3), norm="ortho"), atol=1e-5
    )
    assert synset.to_data(step=0.3).base is None


def test_classes(data):
    synset = FrequencySynset.from_data(data)
    assert synset.indices_of(1).tolist() == [5, 6, 7, 8, 9]
    assert synset.labels.tolist() == data.labels.tolist()
    soft = replace(data, labels=np.eye(3, dtype=np.float32)[data.labels], mask_of=data.mask_of)
    assert FrequencySynset.from_data(soft).indices_of(2).tolist() == [10, 11, 12, 13, 14]


def test_a_copy_learns_by_itself(data):
    synset = FrequencySynset.from_data(data)
    other = copy.deepcopy(synset)
    with torch.no_grad():
        other.coefficients.add_(1)
    assert not torch.equal(other(), synset())
    np.testing.assert_array_equal(synset.to_data().coefficients, data.coefficients)


def test_unusable_arguments_are_refused(data):
    with pytest.raises(ArgumentError, match="do not fit the layout"):
        FrequencySynset(torch.zeros(15, 2, 22), data)
    with pytest.raises(ArgumentError, match="loop_step"):
        FrequencySynset.from_data(data, loop_step=0.0)
