"""What people say of how common classes are."""

import pytest

from napari_ziggurat.classes import LabelClass, default_classes
from napari_ziggurat.errors import InputError
from napari_ziggurat.runs.config import TrainConfig
from napari_ziggurat.runs.config.class_shares import told_shares

CLASSES = (*default_classes((0,)), LabelClass(1, "membrane", "#ee6677"), *default_classes((7,)))
TRAIN = {"image": "a.tif", "annotation": "b.tif", "out": "model"}


def test_classes_are_named_by_name_or_number() -> None:
    assert told_shares("membrane=0.2,7=0.1", CLASSES) == (None, 0.2, 0.1)
    assert told_shares("class 7=1e-3", CLASSES) == (None, None, 0.001)
    assert told_shares("estimated", CLASSES) == told_shares("painted", CLASSES) == ()


def test_python_may_say_it_with_a_mapping() -> None:
    config = TrainConfig.create({**TRAIN, "class_shares": {"membrane": 0.2, 7: 0.1}})
    assert told_shares(config.class_shares, CLASSES) == (None, 0.2, 0.1)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("guessed", "a part of the voxels between 0 and 1"),
        ("membrane=20", "such as membrane=0.2; got 'membrane=20'"),
        ("membrane=0.2,membrane=0.3", "between 0 and 1 for each class"),
        ("membrane=0.7,7=0.6", "sums to 1.3"),
    ],
)
def test_what_is_no_share_is_refused_before_anything_is_read(said: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        TrainConfig.create({**TRAIN, "class_shares": said})


def test_a_class_that_is_not_there_and_shares_that_leave_voxels_are_refused() -> None:
    with pytest.raises(InputError, match=r"names 'axon'; .* membrane \(1\), class 7 \(7\)"):
        told_shares("axon=0.2", CLASSES)
    with pytest.raises(InputError, match=r"sum to 0\.3"):
        told_shares("0=0.1,1=0.1,7=0.1", CLASSES)
