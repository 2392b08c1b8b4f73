"""Files as each project writes them, of real digits: the same structure, names and types, in a folder of the caller's.

Each function writes what its project would and returns the path to import, and the images and labels that must come
out. Run as a program it fills a folder: ``python tests/exchange/importers/fixtures.py FOLDER``.
"""

import sys
import zipfile
from pathlib import Path

import h5py
import msgpack
import numpy as np
import scipy.fft
import torch
from PIL import Image
from torch import nn

from fredfmt.data.sources import open_source

MEAN, STD = (0.3, 0.31, 0.32), (0.4, 0.41, 0.42)
CLASSES, PER_CLASS = 10, 3


def digits(height=7, width=5, channels=3):
    """Normalised real digits (30, channels, height, width) float32, class by class, and their labels, int64."""
    source = open_source("digits").sample(PER_CLASS, seed=0)
    images = np.asarray(source.images[:], np.float32)
    images = images if images.max() <= 1 else images / 255
    images = np.repeat(images[:, :, :height, :width], channels, axis=1) * np.linspace(1, 0.8, channels)[:, None, None]
    shape = (-1, 1, 1)
    normalised = (images - np.reshape(MEAN[:channels], shape)) / np.reshape(STD[:channels], shape)
    return normalised.astype(np.float32), source.labels.astype(np.int64)


def pixels(height=8, width=8, channels=3):
    """The same digits in 0..1."""
    images, labels = digits(height, width, channels)
    shape = (-1, 1, 1)
    return (images * np.reshape(STD[:channels], shape) + np.reshape(MEAN[:channels], shape)).astype(np.float32), labels


def logits(labels):
    """Learned soft labels as DATM's: far from probabilities."""
    noise = np.random.default_rng(0).normal(size=(len(labels), CLASSES))
    return (noise + 6 * np.eye(CLASSES)[labels]).astype(np.float32)


def tensor(array):
    return torch.tensor(array)


def dc(folder, *, experiments=1, legacy=False):
    """main.py and main_DM.py of DC, DSA, DM: ``data`` grows by ``[images, labels]`` with each experiment."""
    images, labels = digits()
    data = [[tensor(images + number), tensor(labels)] for number in range(experiments)]
    accuracies = {"ConvNet": [np.float64(0.5), np.float64(0.51)], "MLP": []}
    path = folder / "res_DC_DIGITS_ConvNet_3ipc.pt"
    torch.save({"data": data, "accs_all_exps": accuracies}, path, _use_new_zipfile_serialization=not legacy)
    return path, images + np.float32(experiments - 1), labels


def fred_images(k=9):
    """Images as FreD decodes them: an inverse DCT without normalisation of masked coefficients, and the dense mask."""
    images, labels = digits(7, 7, 3)
    spectra = scipy.fft.dctn(images, axes=(2, 3))  # norm=None, as torch_dct's
    masks = np.zeros((CLASSES, 49), np.float32)
    for label in range(CLASSES):
        variance = spectra[labels == label].mean(axis=1).reshape(-1, 49).var(axis=0)
        masks[label, np.argsort(-variance)[:k]] = 1
    mask = np.repeat(masks[labels].reshape(-1, 1, 7, 7), 3, axis=1)
    decoded = scipy.fft.idctn(spectra * mask, axes=(2, 3)).astype(np.float32)
    return decoded, labels, mask


def fred_dm(folder):
    """FreD's main_DM_FreD.py: one list and one tuple deeper, and ``mask.pt`` beside."""
    images, labels, mask = fred_images()
    path = folder / "res_DM_DIGITS_ConvNet_3ipc.pt"
    torch.save({"data": [[(tensor(images), tensor(labels))]], "accs_all_exps": {"ConvNet": [np.float64(0.6)]}}, path)
    as_from_a_gpu(path)
    torch.save(tensor(mask), folder / "mask.pt")
    return path, images, labels


def as_from_a_gpu(path):
    """The archive with its storages where FreD leaves them: its DC and DM save without ``.cpu()``."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    place = next(name for name in contents if name.endswith("/data.pkl"))
    here, there = (b"X" + len(name).to_bytes(4, "little") + name for name in (b"cpu", b"cuda:0"))
    assert here in contents[place]
    contents[place] = contents[place].replace(here, there)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


def fred_tm(folder):
    """FreD's main_TM_FreD.py."""
    images, labels, mask = fred_images()
    torch.save(tensor(images), folder / "images_best.pt")
    torch.save(tensor(labels), folder / "labels_best.pt")
    torch.save(tensor(mask), folder / "mask.pt")
    return folder, images, labels


def mtt(folder, *, which="best", whitened_copy=False):
    """distill.py of MTT, TESLA and FTD; with ``--zca`` the copy without whitening has ``zca`` in its name."""
    images, labels = pixels(7, 5) if whitened_copy else digits()
    path = folder / f"images_{'zca_' if whitened_copy else ''}{which}.pt"
    torch.save(tensor(images), path)
    torch.save(tensor(labels), folder / f"labels_{which}.pt")
    return path, images, labels


def ftd_average(folder, *, which="best", whitened_copy=False):
    """distill_FTD.py's averages, in a folder of their own; the copy without whitening has no ``ema`` in its name."""
    images, labels = pixels(7, 5) if whitened_copy else digits()
    path = folder / f"{'images_zca_' if whitened_copy else 'ema_images_'}{which}.pt"
    torch.save(tensor(images), path)
    torch.save(tensor(labels), folder / f"ema_labels_{which}.pt")
    return path, images, labels


def datm(folder, *, which="best", whitened_copy=False):
    """DATM.py: soft labels as logits, which ask for gradients where no GPU was, and a learned learning rate."""
    path, images, labels = mtt(folder, which=which, whitened_copy=whitened_copy)
    torch.save(tensor(logits(labels)).requires_grad_(True), folder / f"labels_{which}.pt")
    torch.save(tensor(np.float32(0.0123)), folder / f"lr_{which}.pt")
    return path, images, torch.softmax(tensor(logits(labels)), dim=1).numpy()


def idc(folder, *, side=8):
    """IDC's and NCFM's ``data.pt``: pixels in 0..1, four pictures packed into each image."""
    images, labels = pixels(side, side)
    path = folder / "data.pt"
    torch.save([tensor(images), tensor(labels)], path)
    return path, images, labels


def unpacked(images, factor):
    """What IDC trains on of one class, by torch: crops row by row, enlarged bilinearly, 0.5 beyond the edge."""
    side = images.shape[3]
    more = -side % factor
    padded = nn.functional.pad(tensor(images), (0, more, 0, more), value=0.5)
    part = padded.shape[3] // factor
    crops = [
        padded[:, :, i * part : (i + 1) * part, j * part : (j + 1) * part] for i in range(factor) for j in range(factor)
    ]
    return nn.functional.interpolate(torch.cat(crops), size=side, mode="bilinear").numpy()


class Field(nn.Module):
    """A SIREN with the names of DDiF's state: ``net.{i}.linear`` and ``last_layer.linear``."""

    class Layer(nn.Module):
        def __init__(self, inputs, outputs):
            super().__init__()
            self.linear = nn.Linear(inputs, outputs)

    def __init__(self, width=6, layers=2):
        super().__init__()
        self.net = nn.Sequential(*(Field.Layer(2 if number == 0 else width, width) for number in range(layers)))
        self.last_layer = Field.Layer(width, 3)

    def forward(self, places, w0, w0_initial):
        values = places
        for number, layer in enumerate(self.net):
            values = torch.sin((w0 if number else w0_initial) * layer.linear(values))
        return self.last_layer.linear(values)


def ddif(folder, *, lr=True):
    """DDiF's SynSet.save: a state of a field an image; with ``syn_lr`` from trajectory matching."""
    torch.manual_seed(0)
    made = [Field() for _ in range(2 * CLASSES)]
    labels = np.repeat(np.arange(CLASSES), 2)
    height, width = 7, 5
    places = torch.ones(height, width).nonzero().float()
    places = (places / (height - 1) - 0.5) * 2
    with torch.no_grad():
        images = [field(places, 10.0, 30.0).reshape(height, width, 3).permute(2, 0, 1) for field in made]
    value = {"nf": [dict(field.state_dict()) for field in made], "label": tensor(labels)}
    path = folder / "DDiF_TM_1ipc#synset_best.pt"
    torch.save({**value, "syn_lr": tensor(np.float32(0.03))} if lr else value, path)
    return path, torch.stack(images).numpy(), labels


def rfad(folder):
    """RFAD's ``best.npz``: whitened images and labels 0.9 and -0.1."""
    images, labels = digits()
    one_hot = (np.eye(CLASSES)[labels] - 0.1).astype(np.float32)
    path = folder / "best.npz"
    k = torch.tensor(1.5).double().numpy()
    np.savez(path, images=images, labels=one_hot, valid_loss=np.float64(0.1), k=k, jit=0.005, best_iter=40)
    return path, images, labels


def kip(folder):
    """KIP's ``kip_..._ckpt1000.npz``: channels last, learned labels."""
    images, labels = digits()
    learned = np.random.default_rng(1).normal(np.eye(CLASSES)[labels] - 0.1, 0.05).astype(np.float32)
    path = folder / "kip_digits_ConvNet3_ssize30_zca_l_noaug_ckpt1000.npz"
    np.savez(path, images=np.moveaxis(images, 1, -1), labels=learned)
    return path, images, learned.argmax(axis=1)


def flax_bytes(value):
    """msgpack as ``flax.serialization.msgpack_serialize`` writes it."""

    def extension(array):
        array = np.asarray(array)
        packed = msgpack.packb((array.shape, array.dtype.name, array.tobytes()), use_bin_type=True)
        return msgpack.ExtType(1, packed)

    return msgpack.packb(value, default=extension, strict_types=True, use_bin_type=True)


def frepo(folder):
    """FRePo's ``checkpoint_N``: channels last, centred labels, the optimiser's state and empty averages beside."""
    images, labels = digits()
    centred = (np.eye(CLASSES)[labels] - 1 / CLASSES).astype(np.float32)
    params = {"x_proto": np.ascontiguousarray(np.moveaxis(images, 1, -1)), "y_proto": centred}
    optimiser = {"0": {"count": np.int32(5), "mu": params, "nu": params}, "1": {}}
    averages = {"ema_hidden": None, "ema_average": None, "ema_count": 0}
    path = folder / "checkpoint_100"
    path.write_bytes(flax_bytes({"step": 100, "params": params, "opt_state": optimiser, **averages}))
    return path, images, labels


def rcig(folder):
    """RCIG's: learned labels, a temperature, masked states of two optimisers, and the running average of it all."""
    images, labels = digits()
    last = {
        "log_temp": np.float32(0.28),
        "x_proto": np.ascontiguousarray(np.moveaxis(images, 1, -1)),
        "y_proto": logits(labels),
    }
    average = {name: np.asarray(value * np.float32(0.5)) for name, value in last.items()}
    images_only = {"count": np.int32(5), "mu": {**last, "log_temp": {}}, "nu": {**last, "log_temp": {}}}
    temperature = {"count": np.int32(5), "mu": {"log_temp": np.float32(0), "x_proto": {}, "y_proto": {}}}
    state = {
        "step": np.int32(100),
        "params": last,
        "opt_state": {"0": {"inner_state": {"0": images_only, "1": {}}}, "1": {"inner_state": {"0": temperature}}},
        "train_it": np.int32(100),
        "ema_hidden": average,
        "ema_average": average,
    }
    path = folder / "checkpoint_100"
    path.write_bytes(flax_bytes(state))
    return path, images * np.float32(0.5), torch.softmax(tensor(logits(labels) / 2), dim=1).numpy()


def rat(folder, *, learned=False):
    """RaT-BPTT's HDF5: ``data``, the weight of an embedding, so a row an image; labels only where they are learned."""
    images, labels = digits()
    path = folder / "IPC_3.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=images.reshape(len(images), -1))
        file.create_dataset("epoch", data=7)
        if learned:
            file["label"] = logits(labels)
    return path, images, labels


def folder_of_images(folder):
    """SRe2L's and RDED's layout: ``new00000/class00000_id00000.png``."""
    images, labels = pixels(7, 5)
    eight_bits = np.clip(images * 255, 0, 255).round().astype(np.uint8)
    place = folder / "syn_data"
    for number, (image, label) in enumerate(zip(eight_bits, labels, strict=True)):
        of_class = place / f"new{label:05}"
        of_class.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.moveaxis(image, 0, -1)).save(of_class / f"class{label:05}_id{number:05}.png")
    return place, (eight_bits / np.float32(255)).astype(np.float32), labels


def bare(folder):
    """The ECCV-24 challenge's ``cifar100.pt``: nothing but images, class by class."""
    images, labels = digits()
    path = folder / "submission.pt"
    torch.save(tensor(images), path)
    return path, images, labels


def named_tensors(folder):
    """CIM's ``data.pt``: a dict with names."""
    images, labels = digits()
    path = folder / "data.pt"
    torch.save({"dataset": "digits", "data": tensor(images), "label": tensor(labels)}, path)
    return path, images, labels


EVERY = (
    *(dc, fred_dm, fred_tm, mtt, ftd_average, datm, idc, ddif, rfad, kip, frepo, rcig, rat),
    *(folder_of_images, bare, named_tensors),
)

if __name__ == "__main__":
    for make in EVERY:
        place = Path(sys.argv[1]) / make.__name__
        place.mkdir(parents=True)
        make(place)
