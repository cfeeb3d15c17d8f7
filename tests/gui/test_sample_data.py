"""Sample data: what the demo draws, as layers."""

from typing import Any

import pytest

from napari_ziggurat.gui.sample_data import plane, volume

napari_layers = pytest.importorskip("napari.layers", reason="napari is not installed")
pytestmark = pytest.mark.gui


@pytest.mark.parametrize(("draw", "ndim"), [(plane, 2), (volume, 3)])
def test_a_sample_is_an_image_with_its_truth(draw: Any, ndim: int) -> None:
    ((voxels, image, kind), (labels, truth, labels_kind)) = draw()
    assert (kind, labels_kind) == ("image", "labels")
    assert voxels.shape == labels.shape
    layer = napari_layers.Image(voxels, **image)
    above = napari_layers.Labels(labels, **truth)
    assert layer.ndim == ndim
    assert [str(unit) for unit in layer.units] == ["micrometer"] * ndim
    assert above.scale.tolist() == layer.scale.tolist()
    assert not above.visible
