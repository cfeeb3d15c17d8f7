"""Which devices compute and train in bfloat16."""

import pytest
import torch

from napari_ziggurat.networks.device import bfloat16_pays, bfloat16_trains

CPU = torch.device("cpu")


@pytest.mark.parametrize("amx", [False, True])
def test_volumes_are_not_trained_in_bfloat16_where_its_backward_pass_is_broken(
    monkeypatch: pytest.MonkeyPatch, amx: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert bfloat16_pays(CPU)
    assert bfloat16_trains(CPU, dims=2)
    assert bfloat16_trains(CPU, dims=3) is not amx


def test_nothing_is_trained_in_bfloat16_without_hardware_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    assert not bfloat16_trains(CPU, dims=2)
    assert not bfloat16_trains(CPU, dims=3)
