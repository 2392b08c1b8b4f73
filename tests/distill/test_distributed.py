"""Several processes of torch.distributed over the CPU give what one gives."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import fredfmt
from fredfmt import ArgumentError
from fredfmt.distill import DistillConfig, NetworkConfig, distill
from fredfmt.distill.runtime.distributed import Ranks

CONFIG = DistillConfig(
    objective="dm",
    ipc=0.8,
    k=24,
    iterations=3,
    batch_real=5,
    step=None,
    lr=0.05,
    average=0,
    network=NetworkConfig(width=4, depth=2),
)
WORKER = """
import json, os, sys
import torch, torch.distributed as dist
from fredfmt import save
from fredfmt.distill import DistillConfig, distill
from fredfmt.errors import FredError
from fredfmt.data.sources import open_source

torch.set_num_threads(1)
dist.init_process_group("gloo", init_method=sys.argv[1], rank=int(sys.argv[2]), world_size=int(sys.argv[3]))
sys.path.insert(0, sys.argv[4])
import objectives_of_tests
for name, settings in json.loads(sys.argv[5]).items():
    own = getattr(objectives_of_tests, settings["objective"]["name"].partition(":")[2], None)
    try:
        data = distill(open_source("digits"), DistillConfig.from_json(settings), objective=own,
                       checkpoint=f"{sys.argv[4]}/{name}.checkpoint", checkpoint_every=2)
    except FredError as error:
        print(f"{name}: {type(error).__name__}: {error}")
    else:
        save(data, f"{sys.argv[4]}/{name}-{sys.argv[2]}.fred")
dist.barrier()  # a rank that leaves early takes the others' store along
dist.destroy_process_group()
sys.stdout.flush()
os._exit(0)  # gloo's threads now and then abort a process that Python is taking down
"""
OBJECTIVES = """
import math
class Whole:
    def __init__(self, config): pass
    def losses(self, iteration):
        yield (iteration.synthetic.images() - iteration.number).square().mean()
class Diverging:
    def __init__(self, config): pass
    def losses(self, iteration):
        images, labels = iteration.synthetic_batch(iteration.share(range(iteration.classes)))
        mine = 9 in labels  # only one process sees this class
        yield images.square().sum() * (math.inf if mine and iteration.number == 2 else 1)
"""


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def run(ranks, folder, configs):
    """What each of ``ranks`` processes printed."""
    (folder / "objectives_of_tests.py").write_text(OBJECTIVES)
    settings = json.dumps({name: config.to_json() for name, config in configs.items()})
    address = f"tcp://127.0.0.1:{free_port()}"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, address, str(rank), str(ranks), str(folder), settings],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(ranks)
    ]
    outputs = [process.communicate(timeout=300) for process in started]
    for process, (_, errors) in zip(started, outputs, strict=True):
        assert process.returncode == 0, errors
    return [printed for printed, _ in outputs]


def close(left, right):
    """Equal but for rounding: relative to the whole set, as single coefficients may be near zero."""
    a, b = left.coefficients.astype(np.float64), right.coefficients.astype(np.float64)
    return np.linalg.norm(a - b) <= 1e-5 * np.linalg.norm(b) and np.array_equal(left.frequencies, right.frequencies)


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(digits, tmp_path):
    sgd = replace(CONFIG, optimizer="sgd", lr=1.0)  # Adam would make much of a rounding error of a tiny gradient
    configs = {
        "dm": sgd,
        "dsa": replace(sgd, objective="dsa", outer_loop=2, augmentation="color_crop"),
        "gradient": replace(sgd, mask="gradient", iterations=1),
        "batch": replace(sgd, network=NetworkConfig(width=4, depth=2, norm="batch")),
        "adam": CONFIG,
        "resumed": sgd,
        "taught": replace(sgd, teacher_steps=5, teacher_width=4, teacher_weight=1.0, iterations=2),
    }
    distill(digits, replace(sgd, iterations=1), checkpoint=tmp_path / "resumed.checkpoint")
    run(2, tmp_path, configs)
    for name, config in configs.items():
        alone = distill(digits, config)
        together = [fredfmt.load(tmp_path / f"{name}-{rank}.fred") for rank in range(2)]
        assert together[0] == together[1]
        assert not close(alone, distill(digits, replace(config, seed=1)))
        if name == "adam":
            np.testing.assert_allclose(together[0].coefficients, alone.coefficients, atol=1e-3)
        else:
            assert close(together[0], alone), name


@pytest.mark.slow
def test_three_processes_over_ten_classes_and_errors_on_all(digits, tmp_path):
    configs = {
        "dm": replace(CONFIG, optimizer="sgd", lr=1.0),
        "whole": replace(CONFIG, objective="objectives_of_tests:Whole"),
        "diverging": replace(CONFIG, objective="objectives_of_tests:Diverging", iterations=4),
        "few": replace(CONFIG, ipc=1000),
    }
    printed = run(3, tmp_path, configs)
    assert close(fredfmt.load(tmp_path / "dm-2.fred"), distill(digits, configs["dm"]))
    own: dict[str, Any] = {"__name__": "objectives_of_tests"}
    exec(OBJECTIVES, own)
    assert fredfmt.load(tmp_path / "whole-1.fred") == distill(digits, configs["whole"], objective=own["Whole"])
    for text in printed:
        assert "diverging: DivergenceError: iteration 3" in text
        assert "diverging.checkpoint, of iteration 2" in text
        assert "few: ArgumentError" in text
        assert "too few images" in text


def test_shares_are_disjoint_and_whole():
    labels = list(range(10))
    shares = [Ranks(rank, 3).share(labels) for rank in range(3)]
    assert sorted(label for share in shares for label in share) == labels
    assert Ranks().share(labels) == labels
    with pytest.raises(ArgumentError, match="at most 10 processes, found 11"):
        Ranks(0, 11).share(labels)


def torchrun(folder, *words):
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--master-port",
        str(free_port()),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, "-m", "fredfmt", *map(str, words)],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.slow
def test_ctrl_c_stops_torchrun_with_one_checkpoint_and_one_set(tmp_path):
    settings = ("--k", 24, "--batch-real", 4, "--width", 4, "--depth", 2)
    process = torchrun(tmp_path, "distill", "digits", "x.fred", *settings, "--iterations", 100000)
    checkpoint = tmp_path / "x.fred.checkpoint"
    until = time.monotonic() + 300  # a busy machine takes long to import torch four times
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode != 0
    assert err.count("the data at the time of the interruption") == 1, err
    assert {path.name for path in tmp_path.iterdir()} == {"stopped-x.fred", "x.fred.checkpoint"}
    stopped = fredfmt.load(tmp_path / "stopped-x.fred").metadata.distillation["optimization"]["iterations"]
    again = torchrun(tmp_path, "distill", "digits", "x.fred", *settings, "--iterations", stopped + 3)
    _, err = again.communicate(timeout=300)
    assert again.returncode == 0, err
    assert fredfmt.load(tmp_path / "x.fred").metadata.distillation["optimization"]["iterations"] == stopped + 3
    assert not checkpoint.exists()


@pytest.mark.slow
def test_settings_choose_themselves_under_torchrun_too(tmp_path):
    how = ("--bytes", 4000, "--effort", "quick", "--iterations", 6, "--augmentation", "none", "--width", 4)
    process = torchrun(tmp_path, "distill", "digits", "x.fred", *how)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert err.count("after 100 iterations, ") == 1
    assert err.count("with that, ") == 1
    assert err.count("of held-out images correct") == 2
    assert err.count("6 iterations, about") == 1
    assert (tmp_path / "x.fred").stat().st_size <= 4000
