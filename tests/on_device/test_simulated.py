"""The simulated device is as strict as a GPU, or tests on it would pass whatever the code does."""

import pytest
import simulated
import torch


@pytest.fixture(autouse=True)
def only_simulated(device):
    if device.type != simulated.NAME:
        pytest.skip("another device is tested")


def test_values_go_there_and_back(device):
    values = torch.arange(6.0).view(2, 3)
    there = values.to(device)
    assert there.device.type == simulated.NAME
    assert torch.equal((there @ there.T).cpu(), values @ values.T)
    assert torch.tensor([1, 2], device=device).tolist() == [1, 2]


def test_tensors_of_the_cpu_are_refused(device):
    there = torch.ones(3, device=device)
    for mix in (lambda: there + torch.ones(3), lambda: torch.ones(3).mul_(there), lambda: there[torch.tensor([0])]):
        with pytest.raises(RuntimeError, match="tensors of the CPU and of the device simulated"):
            mix()
    assert (there + torch.tensor(1.0)).tolist() == [2, 2, 2]  # a number may come from anywhere


def test_numpy_does_not_see_them(device):
    with pytest.raises((RuntimeError, TypeError)):
        torch.ones(3, device=device).numpy()


def test_a_backward_pass_stays_there(device):
    leaf = torch.ones(2, 3, device=device, requires_grad=True)
    (leaf.square().sum() * 2).backward()
    assert leaf.grad.device.type == simulated.NAME
    assert leaf.grad.tolist() == [[4.0] * 3] * 2
