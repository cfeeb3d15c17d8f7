"""The real data sets are read with the axes and spacing that their descriptions state."""

import json
from pathlib import Path

import numpy as np
import pytest

from napari_ziggurat.errors import InputError
from napari_ziggurat.geometry import Axes, Box
from napari_ziggurat.images import find_images, open_image
from napari_ziggurat.images.annotation import check_values, found_values

SETS = [
    "ct_body_demo", "ct_headneck_3d", "em_membrane_2d", "em_neuropil_3d", "nuclei_fluo_2d",
    "organoid_nuclei_3d", "retina_vessels_2d",
]  # fmt: skip


@pytest.mark.parametrize("name", SETS)
def test_images_and_labels_have_the_listed_shape_and_type(name: str, shared_data: Path) -> None:
    entry = json.loads((shared_data / "index.json").read_text())[name]
    for item in entry["items"][:3]:
        image = open_image(shared_data / item["image"])
        labels = open_image(shared_data / item["label"], like=image)
        stored = [image.arrays[0].shape[image.axes.index(a)] for a in image.axes.names]
        assert stored == item["shape"]
        assert (image.dtype.name, labels.dtype.name) == (item["dtype"], item["label_dtype"])
        assert labels.levels[0].shape == image.levels[0].shape
        assert max(found_values(labels)) == item["label_max"]


def test_microscope_stack_states_its_spacing(shared_data: Path) -> None:
    image = open_image(shared_data / "em_neuropil_3d" / "train" / "image_train.ome.tif")
    assert (image.format, image.axes) == ("OME-TIFF", Axes("zyx"))
    assert image.levels[0].spacing.values == (0.05, 0.0046, 0.0046)
    assert image.levels[0].spacing.unit == "um"


def test_patients_have_spacing_of_their_own(shared_data: Path) -> None:
    folder = shared_data / "ct_headneck_3d" / "train" / "images"
    found = {open_image(path).levels[0].spacing for path in find_images(folder)}
    assert len(found) > 3
    assert {spacing.unit for spacing in found} == {"mm"}
    patient = open_image(folder / "pt_4.nii.gz")
    assert patient.levels[0].spacing.values == (2.5, 3.906, 3.906)


def test_a_box_of_a_compressed_scan_equals_the_whole(shared_data: Path) -> None:
    image = open_image(shared_data / "ct_headneck_3d" / "val" / "images" / "pt_201.nii.gz")
    box = Box((40, 50, 60), (60, 90, 70))
    whole = image.read(0, Box.whole((128, 128, 128)))[0]
    np.testing.assert_array_equal(image.read(0, box)[0], whole[box.slices])


def test_objects_numbered_beyond_255_are_told_to_be_foreground(shared_data: Path) -> None:
    folder = shared_data / "nuclei_fluo_2d" / "train" / "labels"
    values = {v for path in find_images(folder)[:20] for v in found_values(open_image(path))}
    assert check_values(values, dense=True, foreground=True) == (0, 1)
    with pytest.raises(InputError, match="--task foreground"):
        check_values(values | {300}, dense=True, foreground=False)
