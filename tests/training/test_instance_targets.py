"""Instance targets: distance and boundary of objects, in physical units, wherever a patch ends."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from napari_ziggurat.geometry import Box
from napari_ziggurat.images import image_from_array
from napari_ziggurat.training.instance_targets import context, decoded, shape_targets
from napari_ziggurat.training.volumes import LabelCode, LabelledVolume

IDS = arrays(
    np.uint16, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 3)
)
OBJECTS = LabelCode((0, 1), dense=True, foreground=True, objects=True)


def targets(ids: NDArray[np.integer], spacing: tuple[float, ...], dense: bool = True) -> list:
    return list(decoded(shape_targets(ids, spacing, dense=dense)))


def blobs(shape: tuple[int, ...], seed: int, radius: float = 6.0) -> NDArray[np.int64]:
    """Round objects of different ids, most of which touch others."""
    rng, places = np.random.default_rng(seed), np.indices(shape)
    ids = np.zeros(shape, np.int64)
    for number in range(1, 40):
        centre = np.array([rng.uniform(0, n) for n in shape]).reshape(-1, *[1] * len(shape))
        ids[((places - centre) ** 2).sum(0) < radius**2] = 1000 * number
    return ids


@given(ids=IDS, spacing=st.tuples(st.floats(0.2, 5), st.floats(0.2, 5)))
def test_distance_is_one_at_the_centre_of_every_object_and_nought_outside(
    ids: NDArray[np.uint16], spacing: tuple[float, float]
) -> None:
    _, distance = targets(ids, spacing)
    assert (distance[ids == 0] == 0).all()
    for value in np.unique(ids[ids > 0]):
        inside = distance[ids == value]
        if (ids == value).all():
            assert np.isnan(inside).all()  # nobody can tell where it ends
        else:
            assert inside.max() == 1
            assert inside.min() > 0


@given(ids=IDS, spacing=st.tuples(st.floats(0.2, 5), st.floats(0.2, 5)))
def test_objects_that_touch_have_boundary_on_both_sides_of_the_face(
    ids: NDArray[np.uint16], spacing: tuple[float, float]
) -> None:
    boundary, _ = targets(ids, spacing)
    for axis in (0, 1):
        one, other = (np.moveaxis(ids, axis, 0)[part] for part in (slice(-1), slice(1, None)))
        touch = (one != other) & (one > 0) & (other > 0)
        at = np.moveaxis(boundary, axis, 0)
        assert (at[:-1][touch] == 1).all()
        assert (at[1:][touch] == 1).all()


@given(ids=IDS)
def test_numbers_of_objects_do_not_matter(ids: NDArray[np.uint16]) -> None:
    others = np.array([0, 2**40, 255, 7])[ids]
    found, same = (shape_targets(each, (1.0, 1.0), dense=True) for each in (ids, others))
    assert np.array_equal(found, same)


@given(ids=IDS, axes=st.permutations([0, 1]), mirrored=st.booleans())
def test_turned_labels_have_turned_targets(
    ids: NDArray[np.uint16], axes: list[int], mirrored: bool
) -> None:
    def turned(a: NDArray[np.generic]) -> NDArray[np.generic]:
        a = a.transpose(axes)
        return a[::-1] if mirrored else a

    spacing = (2.0, 0.5)
    found = targets(turned(ids), (spacing[axes[0]], spacing[axes[1]]))
    for one, other in zip(found, targets(ids, spacing), strict=True):
        np.testing.assert_array_equal(one, turned(other))


@pytest.mark.parametrize(("gap", "is_boundary"), [(1, True), (2, True), (5, False)])
def test_background_is_boundary_where_two_objects_nearly_touch(gap: int, is_boundary: bool) -> None:
    ids = np.zeros((9, 30), np.uint8)
    ids[2:7, 3:9], ids[2:7, 9 + gap : 15 + gap] = 1, 2
    boundary, _ = targets(ids, (1.0, 1.0))
    assert (boundary[4, 9 : 9 + gap] == is_boundary).all()
    assert not boundary[0].any()
    assert not boundary[4, :3].any()


def test_coarse_sections_are_no_boundary_where_nothing_touches() -> None:
    ids = np.zeros((7, 20, 20), np.uint8)
    ids[1:4, 4:16, 4:16] = 1
    ids[4:6, 4:10, 4:16] = 2
    boundary, distance = targets(ids, (5.0, 1.0, 1.0))
    assert not boundary[1, 6:14, 6:14].any()  # towards the empty section above
    assert boundary[3, 5:9, 6:14].all()  # towards the other object below
    assert not boundary[3, 12:14, 6:14].any()
    assert boundary[1, 4, 4:16].all()
    assert distance[2, 9, 9] == distance[1:4].max()
    fine, _ = targets(ids, (1.0, 1.0, 1.0))
    assert fine[1, 6:14, 6:14].all()


def test_a_distance_is_measured_in_the_unit_of_the_spacing() -> None:
    ids = np.zeros((9, 30), np.uint8)
    ids[1:8, 5:25] = 1  # 14 wide and 20 long with these voxels
    _, distance = targets(ids, (2.0, 1.0))
    np.testing.assert_allclose(distance[4, 5:13], np.arange(1, 9) / 8, atol=1 / 254)
    np.testing.assert_allclose(distance[1:5, 15], np.arange(2, 9, 2) / 8, atol=1 / 254)


@settings(max_examples=30)
@given(seed=st.integers(0, 50), data=st.data())
def test_targets_of_a_patch_are_those_of_the_whole_image(seed: int, data: st.DataObject) -> None:
    spacing, ids = (2.0, 1.0), blobs((60, 110), seed)
    image = image_from_array(np.zeros(ids.shape, np.uint8), axes="yx", spacing=spacing, unit="um")
    labels = image_from_array(ids, axes="yx", spacing=spacing, unit="um")
    volume = LabelledVolume(image, labels, 0, 0, OBJECTS)
    starts = [data.draw(st.integers(0, n - 1)) for n in ids.shape]
    stops = [data.draw(st.integers(a + 1, n)) for a, n in zip(starts, ids.shape, strict=True)]
    box = Box(tuple(starts), tuple(stops))
    whole = shape_targets(ids, spacing, dense=True)
    assert np.array_equal(volume.read_shapes(box), whole[(slice(None), *box.slices)])
    held = volume.hold().shaped(by_plane=False)
    assert np.array_equal(held.read_shapes(box), whole[(slice(None), *box.slices)])
    inner = Box((0,) * 2, box.shape)
    assert np.array_equal(held.part(box).read_shapes(inner), held.read_shapes(box))


def test_a_network_over_planes_learns_the_sections_of_objects() -> None:
    ids, spacing = blobs((5, 40, 40), 0, radius=9), (4.0, 1.0, 1.0)
    found = shape_targets(ids, spacing, dense=True, by_plane=True)
    for z, section in enumerate(ids):
        assert np.array_equal(found[:, z], shape_targets(section, spacing[1:], dense=True))


def test_what_surrounds_a_patch_has_a_reach_in_physical_units() -> None:
    assert context((0.5, 0.1)) == (7, 32)


def strokes() -> NDArray[np.uint16]:
    """Two strokes in objects, one of background between them and one far below."""
    painted = np.zeros((50, 40), np.uint16)
    painted[4:8, 5:7], painted[4:8, 13:15] = 300, 254
    painted[4:8, 10], painted[40, 5:20] = 255, 255
    return painted


def test_a_background_stroke_between_two_objects_is_their_boundary() -> None:
    boundary, distance = targets(strokes(), (1.0, 1.0), dense=False)
    assert (boundary[4:8, 10] == 1).all()
    assert (boundary[40, 5:20] == 0).all()
    assert (boundary[4:8, 5:7] == 0).all()
    assert np.isnan(boundary[strokes() == 0]).all()
    assert np.isnan(distance).all()


def test_strokes_that_are_far_apart_have_no_boundary_between_them() -> None:
    painted = strokes()
    painted[20:24, 13:15], painted[12, 13:15] = 7, 255
    boundary, _ = targets(painted, (1.0, 1.0), dense=False)
    assert np.isnan(boundary[12, 13:15]).all()  # near one of them: it may be the edge of another


def test_strokes_of_two_objects_side_by_side_are_not_said_to_be_inside() -> None:
    painted = strokes()
    painted[30:34, 5:9], painted[30:34, 9:13] = 1, 2
    boundary, _ = targets(painted, (1.0, 1.0), dense=False)
    assert np.isnan(boundary[30:34, 7:11]).all()
    assert (boundary[30:34, 5:7] == 0).all()
