"""Images on a server: the same voxels as of the local store, and errors in words."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from napari_ziggurat.errors import InputError, MissingError
from napari_ziggurat.geometry import Axes, Box, Spacing
from napari_ziggurat.images import (
    OutputGrid,
    create_output,
    find_images,
    open_image,
    read_record,
    remote,
    stem,
)
from servers import Served, serve

pytest.importorskip("aiohttp", reason="needs the extra 'remote'")

SHAPE = (8, 80, 96)
WHOLE = Box.whole(SHAPE)
VOXELS = np.random.default_rng(0).integers(1, 200, SHAPE, dtype=np.uint8)
VOXELS[:, :64, :64] = 0


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback goes to loopback, whatever the machine says; nothing is waited for."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(remote, "_WAITS", (0.0,))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with serve(tmp_path) as served:
        yield served


def _write(path: Path, version: Any = "0.5") -> Path:
    grid = OutputGrid(
        Axes("zyx"), SHAPE, np.dtype("u1"), Spacing((2, 1, 1), "um"), (0, 0, 0),
        chunk=(8, 32, 32), shard=(8, 64, 64),
    )  # fmt: skip
    record = {"ziggurat": {"task": "semantic"}}
    arrays = create_output(path, grid, kind="image", version=version, attributes=record)
    arrays[0][...] = VOXELS  # empty chunks are not written
    return path


@pytest.mark.parametrize("version", ["0.5", "0.4"])
@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no ranges"])
def test_an_image_by_url_is_the_image_in_the_folder(
    server: Served, tmp_path: Path, version: Any, ranges: bool
) -> None:
    server.ranges = ranges
    local = open_image(_write(tmp_path / "cells.ome.zarr", version))
    image = open_image(server.url("cells.ome.zarr/"))
    assert str(image.source) == server.url("cells.ome.zarr")
    assert (image.name, image.axes, image.levels) == (local.name, local.axes, local.levels)
    np.testing.assert_array_equal(image.read(0, WHOLE)[0], VOXELS)
    part = Box((1, 60, 60), (3, 70, 90))
    np.testing.assert_array_equal(image.read(0, part)[0], VOXELS[part.slices])
    image.check_present(0)
    assert image.constant(0, WHOLE) is None


def test_a_part_is_read_without_the_rest(server: Served, tmp_path: Path) -> None:
    _write(tmp_path / "cells.ome.zarr", "0.4")
    image = open_image(server.url("cells.ome.zarr"))
    server.asked.clear()
    image.read(0, Box((0, 64, 64), (8, 80, 96)))
    assert server.asked == ["/cells.ome.zarr/0/0/2/2"]


def test_a_level_of_an_image_is_an_array_by_url(server: Served, tmp_path: Path) -> None:
    _write(tmp_path / "cells.ome.zarr")
    image = open_image(server.url("cells.ome.zarr/0"))
    np.testing.assert_array_equal(image.read(0, WHOLE)[0], VOXELS)


def test_a_url_has_a_stem_and_a_record_and_is_one_image(server: Served, tmp_path: Path) -> None:
    _write(tmp_path / "my cells.ome.zarr")
    url = server.url("my%20cells.ome.zarr")
    assert stem(url) == "my cells"
    assert [str(each) for each in find_images(url)] == [url]
    assert read_record(url) == {"task": "semantic"}


def test_a_chunk_that_is_not_there_is_the_fill_value(server: Served, tmp_path: Path) -> None:
    _write(tmp_path / "cells.ome.zarr")
    assert not (tmp_path / "cells.ome.zarr/0/c/0/0/0").exists()
    image = open_image(server.url("cells.ome.zarr"))
    assert image.read(0, Box((0, 0, 0), (8, 64, 64))).max() == 0


@pytest.mark.parametrize("version", ["0.5", "0.4"])
@pytest.mark.parametrize(
    ("status", "words"),
    [
        (403, "does not allow"),
        (401, "does not allow"),
        (410, "with 410"),
        (429, "with 429.*Try again later"),
        (500, "with 500"),
        (503, "with 503"),
    ],
)
def test_a_server_that_refuses_or_fails_is_no_missing_chunk(
    server: Served, tmp_path: Path, version: str, status: int, words: str
) -> None:
    _write(tmp_path / "cells.ome.zarr", version)
    image = open_image(server.url("cells.ome.zarr"))
    server.status = status
    with pytest.raises(InputError, match=words) as caught:
        image.read(0, WHOLE)
    assert server.url("cells.ome.zarr/0/") in str(caught.value)
    with pytest.raises(InputError, match=words):
        image.check_present(0)
    with pytest.raises(InputError, match=words):
        open_image(server.url("cells.ome.zarr"))


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_an_answer_that_is_cut_off_is_no_missing_chunk(
    server: Served, tmp_path: Path, version: str
) -> None:
    _write(tmp_path / "cells.ome.zarr", version)
    image = open_image(server.url("cells.ome.zarr"))
    server.cut = True
    with pytest.raises(InputError, match="No answer for http://"):
        image.read(0, WHOLE)


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_a_server_that_is_gone_is_no_missing_chunk(tmp_path: Path, version: str) -> None:
    _write(tmp_path / "cells.ome.zarr", version)
    with serve(tmp_path) as served:
        image = open_image(served.url("cells.ome.zarr"))
    with pytest.raises(InputError, match="No answer for http://"):
        image.read(0, WHOLE)
    with pytest.raises(InputError, match="No answer for http://"):
        image.check_present(0)


def test_a_store_that_is_gone_from_its_server_is_noticed(server: Served, tmp_path: Path) -> None:
    path = _write(tmp_path / "cells.ome.zarr")
    image = open_image(server.url("cells.ome.zarr"))
    path.rename(tmp_path / "elsewhere")
    assert image.read(0, WHOLE).max() == 0
    with pytest.raises(InputError, match="its metadata are not there any more"):
        image.check_present(0)


@pytest.mark.parametrize("status", [429, 503])
def test_one_failure_is_asked_about_again(
    server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    _write(tmp_path / "cells.ome.zarr")
    image = open_image(server.url("cells.ome.zarr"))
    server.status = status

    async def recover(seconds: float) -> None:
        server.status = 0

    monkeypatch.setattr(remote.asyncio, "sleep", recover)
    np.testing.assert_array_equal(image.read(0, WHOLE)[0], VOXELS)


@pytest.mark.parametrize("cause", [None, FileNotFoundError("HEAD")])
def test_not_found_means_absent_only_when_the_server_said_so(cause: Exception | None) -> None:
    """fsspec raises it also when it could not ask."""
    error = FileNotFoundError("http://host/a.zarr/c/0")
    error.__cause__ = cause
    assert remote._is_absent(error)
    error.__cause__ = ConnectionRefusedError()
    assert not remote._is_absent(error)


def test_what_is_not_there_is_said(server: Served, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=f"no zarr at {server.url('nothing.zarr')}"):
        open_image(server.url("nothing.zarr"))


def test_a_port_on_which_nobody_listens_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/a.zarr"
        with pytest.raises(InputError, match=f"No answer for {url}"):
            open_image(url)


def test_a_group_without_an_image_names_what_to_open(server: Served, tmp_path: Path) -> None:
    zarr.create_group(str(tmp_path / "plain.zarr"))
    with pytest.raises(InputError, match="no image was found in it"):
        open_image(server.url("plain.zarr"))


@pytest.mark.parametrize("name", ["a.tif", "a.nii.gz", "a.PNG", "a.npy"])
def test_other_formats_are_refused_by_url(name: str) -> None:
    with pytest.raises(InputError, match="Of images on a server OME-Zarr and zarr arrays are read"):
        open_image(f"http://127.0.0.1:9/{name}")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://host/a.zarr", "from http://, https:// and s3://"),
        ("http:/host/a.zarr", "two slashes"),
        ("http://me:secret@host/a.zarr", "holds a password"),
        ("https://host/a.zarr?key=1", "the URL of the store alone"),
        ("http:///a.zarr", "is none of these"),
    ],
)
def test_a_url_that_names_no_store_is_refused(url: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        open_image(url)
    assert "secret" not in str(caught.value)


def test_a_url_that_became_a_path_is_recognised() -> None:
    with pytest.raises(InputError, match="give a URL as text"):
        open_image(Path("https://host/a.zarr"))


@pytest.mark.parametrize(("url", "package"), [("http://h/a", "aiohttp"), ("s3://b/a", "s3fs")])
def test_what_is_not_installed_is_named(
    url: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote.importlib.util, "find_spec", lambda name: name != package or None)
    with pytest.raises(InputError) as caught:
        open_image(url)
    assert package in str(caught.value)
    assert 'pip install "napari-ziggurat[remote]"' in str(caught.value)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """A bucket 'images' on an S3 server, named by the environment alone."""
    pytest.importorskip("s3fs", reason="needs the extra 'remote'")
    moto = pytest.importorskip("moto.server", reason="needs moto")
    boto3 = pytest.importorskip("boto3", reason="needs boto3")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    found = boto3.resource("s3").Bucket("images")
    found.create()
    yield found
    server.stop()


def _upload(bucket: Any, path: Path) -> None:
    for file in path.rglob("*"):
        if file.is_file():
            bucket.upload_file(str(file), str(file.relative_to(path.parent)))


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_an_image_in_a_bucket_is_read(bucket: Any, tmp_path: Path, version: str) -> None:
    _upload(bucket, _write(tmp_path / "cells.ome.zarr", version))
    image = open_image("s3://images/cells.ome.zarr")
    np.testing.assert_array_equal(image.read(0, WHOLE)[0], VOXELS)
    image.check_present(0)
    bucket.objects.all().delete()
    with pytest.raises(InputError, match="not there any more"):
        image.check_present(0)
    with pytest.raises(MissingError, match="no zarr at s3://images/cells"):
        open_image("s3://images/cells.ome.zarr")


def test_a_bucket_that_is_gone_is_no_missing_chunk(bucket: Any, tmp_path: Path) -> None:
    _upload(bucket, _write(tmp_path / "cells.ome.zarr"))
    image = open_image("s3://images/cells.ome.zarr")
    bucket.objects.all().delete()
    bucket.delete()
    with pytest.raises(InputError, match="bucket does not exist"):
        image.read(0, WHOLE)


def test_requests_are_signed_with_the_credentials_that_there_are(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert remote._options("s3")["anon"] is False
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert remote._options("s3")["anon"] is True
