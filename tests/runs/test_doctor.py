"""Doctor: each reason for a missing GPU has its own advice."""

import pytest

from napari_ziggurat.runs.doctor import Driver, _read_driver, why_no_gpu

NEW = Driver("570.86", "12.8")


@pytest.mark.parametrize(
    ("build", "driver", "visible", "words"),
    [
        (None, None, None, "built without CUDA, and there is no NVIDIA driver"),
        ("12.8", None, None, "no NVIDIA driver"),
        (None, NEW, None, "Install a CUDA build"),
        ("13.0", NEW, None, "570.86 is too old: it supports CUDA 12.8, this PyTorch needs 13.0"),
        ("12.8", Driver("?", "?", "Driver/library version mismatch"), None, "restart the machine"),
        ("12.8", NEW, "-1", "hides every GPU"),
        ("12.8", NEW, "0", "Look at the output of 'nvidia-smi'"),
    ],
)
def test_the_reason_is_told_with_the_way_out(monkeypatch, build, driver, visible, words):
    monkeypatch.setattr("platform.system", lambda: "Linux")
    assert words in why_no_gpu(build, driver, visible)


def test_an_older_driver_of_the_same_major_version_is_no_reason():
    assert "too old" not in why_no_gpu("12.8", Driver("525.60", "12.0"), None)


@pytest.mark.parametrize(
    ("printed", "driver"),
    [
        ("| NVIDIA-SMI 570.86  Driver Version: 570.86    CUDA Version: 12.8 |", NEW),
        ("Failed to initialize NVML\nmore", Driver("?", "?", "Failed to initialize NVML")),
        ("", Driver("?", "?", "no output")),
    ],
)
def test_what_nvidia_smi_prints_is_understood(printed, driver):
    assert _read_driver(printed) == driver
