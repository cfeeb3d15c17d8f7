"""Jobs of `inference.py`, each in a process of its own: what a mapping says.

Libraries are loaded before any clock starts, and the bare forward is timed in turn with the work,
so that both meet the same load of the machine.
"""

import itertools
import math
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zarr
from monai.inferers import sliding_window_inference
from scipy import ndimage
from torch import nn

from napari_ziggurat.geometry import Axes, BlockGrid, Box, Spacing
from napari_ziggurat.images import OutputGrid, create_output, fill_coarser
from napari_ziggurat.inference.allocator import keep_freed_memory
from napari_ziggurat.inference.predictor import Predictor, resolve_precision
from napari_ziggurat.networks import Model, load_model
from napari_ziggurat.networks.device import channels_last, lay_out
from napari_ziggurat.networks.norms import fold_batch_norm
from napari_ziggurat.runs.config import SegmentConfig, TrainConfig
from napari_ziggurat.runs.segment import SegmentResult, segment
from napari_ziggurat.runs.train import train

CHUNK, SHARD = (64, 64, 64), (192, 192, 192)
PERIOD = 192  # the volume repeats, mirrored, after so many voxels
BUFFER = {"buffer_steps": 4, "buffer_dim": 0}
BARE_SECONDS = 2.5
MOST_RUNS = 3

Job = dict[str, Any]
Found = dict[str, Any]
Tensor = torch.Tensor
Network = Callable[[Tensor], Tensor]


def finish(run: Iterator[Any]) -> Any:
    """Run a generator to its end and give its value."""
    while True:
        try:
            next(run)
        except StopIteration as stop:
            return stop.value


# The volume and the network.


def field_of(rng: np.random.Generator, side: int, sigma: float) -> np.ndarray:
    """Make smooth noise of mean 0 and deviation 1; very smooth noise on a coarser grid."""
    coarser = max(1, round(sigma / 4))
    noise = rng.standard_normal((-(-side // coarser),) * 3, np.float32)
    smooth = ndimage.gaussian_filter(noise, sigma / coarser, mode="wrap")
    grown = ndimage.zoom(smooth, coarser, order=1)[:side, :side, :side]
    return (grown - grown.mean()) / grown.std()


def blobs(side: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw blobs whose size and contrast change over long ranges: context matters to find them."""
    rng = np.random.default_rng(seed)
    blob, drift = field_of(rng, side, 4.0), field_of(rng, side, 24.0)
    truth = blob > 0.8 + 0.4 * drift
    grey = 110 + 25 * truth * (1 + 0.4 * drift) + 12 * drift
    grey += 22 * rng.standard_normal(truth.shape, np.float32)
    return np.clip(grey, 0, 255).astype(np.uint8), truth.astype(np.uint8)


def make_volume(job: Job) -> Found:
    """Write a part of a volume as OME-Zarr: blobs, and beyond the period their mirror image."""
    stop = [a + n for a, n in zip(job["start"], job["shape"], strict=True)]
    cube, _ = blobs(PERIOD, seed=1)
    cut = cube[tuple(slice(0, n) for n in stop)]
    missing = [(0, n - m) for n, m in zip(stop, cut.shape, strict=True)]
    volume = np.pad(cut, missing, mode="symmetric")
    write_volume(Path(job["out"]), volume[tuple(slice(a, None) for a in job["start"])])
    return {}


def write_volume(path: Path, voxels: np.ndarray) -> None:
    spacing, origin = Spacing((1.0, 1.0, 1.0), "um"), (0.0, 0.0, 0.0)
    grid = OutputGrid(Axes("zyx"), voxels.shape, voxels.dtype, spacing, origin, CHUNK, SHARD)
    array = create_output(path, grid, kind="image")[0]
    for block in BlockGrid(Box.whole(voxels.shape), SHARD):
        array[block.write_box.slices] = voxels[block.write_box.slices]
    for _ in fill_coarser(path, "image"):
        pass


def make_model(job: Job) -> Found:
    """Teach the network blobs for some steps; other blobs than those of the volume."""
    out = Path(job["out"])
    pairs = [blobs(128, seed) for seed in (2, 3)]
    names = [(out.parent / f"{n}-image.npy", out.parent / f"{n}-labels.npy") for n in (0, 1)]
    out.parent.mkdir(parents=True, exist_ok=True)
    for paths, arrays in zip(names, pairs, strict=True):
        for path, array in zip(paths, arrays, strict=True):
            np.save(path, array)
    config = TrainConfig(
        image=[image for image, _ in names], labels=[labels for _, labels in names], out=out,
        steps=job["steps"], network="monai_basic_unet", depth=5, patch=(64, 64, 64), batch=2,
        features=job["features"], axes="zyx", spacing=(1, 1, 1), unit="um", device=job["device"],
    )  # fmt: skip
    result = finish(train(config))
    for path in itertools.chain(*names):
        path.unlink()
    return {"steps": result.steps, "loss": result.loss}


# Whole segmentations.


@dataclass
class Counter:
    """Counts the voxels that go through a network."""

    voxels: int = 0

    def __call__(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """Take the input of a forward pass."""
        self.voxels += inputs[0].shape[0] * math.prod(inputs[0].shape[2:])


@dataclass
class Rival:
    """The network of the model as another program runs it, and what it has computed.

    ``ours``: norms folded, channels innermost and 16-bit weights where the precision says so;
    without, the network as it is, and 16 bit by autocast.
    """

    job: Job
    model: Model = field(init=False)
    counter: Counter = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.model = load_model(Path(self.job["model"]))
        network = self.model.network
        network.register_forward_pre_hook(self.counter)
        if self.job["ours"]:
            fold_batch_norm(network).to(dtype=self.dtype)
            lay_out(network)
        network.to(self.job["device"])

    @property
    def dtype(self) -> torch.dtype:
        """Type of the computation."""
        return torch.bfloat16 if self.job["precision"] == "bfloat16" else torch.float32

    @property
    def run(self) -> Network:
        """Float32 in, float32 out: sums of overlapping windows keep their precision."""
        if self.job["ours"]:
            return lambda x: self.model.network(channels_last(x.to(self.dtype))).float()
        return self._autocast if self.dtype == torch.bfloat16 else self.model.network

    def _autocast(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16):
            return self.model.network(x)

    def read(self) -> Tensor:
        """Read and normalise the whole volume."""
        voxels = zarr.open_group(self.job["image"], mode="r")["0"][:]
        image = self.model.spec.intensity.apply(voxels[np.newaxis])
        return torch.from_numpy(image)[np.newaxis].to(self.job["device"])

    def write(self, logits: Tensor) -> None:
        """Write labels the plain way."""
        labels = logits[0].argmax(0).to(torch.uint8).cpu().numpy()
        array = zarr.create_array(
            self.job["out"], shape=labels.shape, chunks=CHUNK, dtype=labels.dtype
        )
        array[:] = labels


@torch.inference_mode()
def monai(job: Job) -> Rival:
    """Segment with MONAI's sliding windows."""
    rival = Rival(job)
    image = rival.read()
    logits = sliding_window_inference(
        image, (job["roi"],) * 3, job["batch"], rival.run, overlap=job["overlap"],
        mode="gaussian", **(BUFFER if job["buffered"] else {}),
    )  # fmt: skip
    rival.write(logits)
    return rival


@torch.inference_mode()
def nnunet(job: Job) -> Rival:
    """Segment as nnU-Net v2 does: batch 1, Gaussian, steps of half a window, float16 sums."""
    rival = Rival(job)
    image = rival.read()
    roi, shape = job["roi"], image.shape[2:]
    classes = len(rival.model.spec.classes)
    total = torch.zeros((classes, *shape), dtype=torch.half, device=image.device)
    count = torch.zeros(shape, dtype=torch.half, device=image.device)
    weight = nnunet_weight(roi, image.device)
    for corner in itertools.product(*(nnunet_steps(n, roi) for n in shape)):
        where = tuple(slice(a, a + roi) for a in corner)
        found = mirrored(rival.run, image[(..., *where)], job["mirror"])[0].half()
        total[(slice(None), *where)] += found * weight
        count[where] += weight
    total /= count
    rival.write(total[None])
    return rival


def mirrored(run: Network, x: Tensor, mirror: bool) -> Tensor:
    """Average over all mirror images, if wanted."""
    axes = (2, 3, 4)
    flips = [f for n in (1, 2, 3) for f in itertools.combinations(axes, n)] if mirror else []
    found = run(x).clone()
    for flip in flips:
        found += run(x.flip(flip)).flip(flip)
    return found / (len(flips) + 1)


def nnunet_steps(length: int, roi: int) -> list[int]:
    """Start windows at even distances of half a window or less."""
    steps = math.ceil((length - roi) / (roi * 0.5)) + 1
    apart = (length - roi) / max(1, steps - 1)
    return [round(apart * i) for i in range(steps)]


def nnunet_weight(roi: int, device: torch.device) -> Tensor:
    """Gaussian of an eighth of the window, 10 at the most and nowhere 0."""
    point = np.zeros((roi,) * 3)
    point[(roi // 2,) * 3] = 1
    weight = ndimage.gaussian_filter(point, roi / 8, mode="constant", cval=0)
    found = torch.from_numpy(weight * (10 / weight.max())).to(device, torch.half)
    found[found == 0] = found[found > 0].min()
    return found


def ziggurat(job: Job) -> SegmentResult:
    """Segment with this project, in a process like that of the command line."""
    keep_freed_memory()
    config = SegmentConfig(
        image=job["image"], model=job["model"], out=job["out"], level=0,
        precision=job["precision"], device=job["device"],
    )  # fmt: skip
    return finish(segment(config))


def measure(job: Job) -> Found:
    """Segment until it has taken long enough, and in turn with it compute windows alone.

    The best of each counts: what else the machine does can only make them slower.
    """
    work = {"ziggurat": ziggurat, "monai": monai, "nnunet": nnunet}[job["how"]]
    times: list[float] = []
    bare: list[float] = []
    while sum(times) < job["enough"] and len(times) < MOST_RUNS:
        shutil.rmtree(job["out"], ignore_errors=True)
        started = time.perf_counter()
        result = work(job)
        times.append(time.perf_counter() - started)
        voxels = computed(result)  # before the bare forwards, which a rival counts as well
        if job["bare"]:
            bare.append(our_bare(job) if work is ziggurat else rival_bare(job, result))
    found = {"seconds": min(times), "computed": voxels, **peaks(job)}
    return {**found, "bare": max(bare)} if bare else found


def computed(result: Any) -> float:
    """Count the voxels of all windows."""
    if isinstance(result, Rival):
        return result.counter.voxels
    (plan,) = result.plans.values()
    return plan["redundancy"] * math.prod(plan["shape"])


def peaks(job: Job) -> Found:
    """Tell the largest memory so far, of the machine and of the device, in bytes."""
    found = {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    if job["device"] == "cuda":
        found["device_peak"] = torch.cuda.max_memory_allocated()
    return found


# The bare forward.


def rival_bare(job: Job, rival: Rival) -> float:
    """Voxels per second of the rival's network, all cores on one batch of windows."""
    window = torch.randn((job["batch"], 1, *(job["roi"],) * 3), device=job["device"])
    return rate(lambda: rival.run(window), window, threads=1)


def our_bare(job: Job) -> float:
    """Voxels per second as our predictor computes windows: one thread for each window."""
    model, device = load_model(Path(job["model"])), torch.device(job["device"])
    precision = resolve_precision(job["precision"], device)
    with Predictor(model.network, device, precision=precision) as ours:
        shape = (ours.batch, 1, *model.spec.window)
        window = channels_last(torch.randn(shape, device=device).to(ours.dtype))
        threads = ours.threads if device.type == "cpu" else 1
        return rate(lambda: model.network(window), window, threads)


def rate(forward: Callable[[], Tensor], window: Tensor, threads: int) -> float:
    """Voxels per second of all threads, each computing one window after the other."""
    voxels = threads * window.shape[0] * math.prod(window.shape[2:])

    @torch.inference_mode()
    def repeat(count: int) -> None:
        for _ in range(count):
            forward()
        if window.is_cuda:
            torch.cuda.synchronize()

    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:

        def seconds(count: int) -> float:
            start = time.perf_counter()
            if threads == 1:  # the thread that has all cores
                repeat(count)
            else:
                list(pool.map(repeat, [count] * threads))
            return time.perf_counter() - start

        count = max(1, round(BARE_SECONDS / 3 / seconds(1)))
        return voxels * count / min(seconds(count) for _ in range(3))


JOBS: dict[str, Callable[[Job], Found]] = {
    job.__name__: job for job in (make_volume, make_model, measure)
}


def run(job: Job) -> Found:
    """Do what a job says."""
    torch.set_num_threads(job["cores"])
    return JOBS[job["job"]](job)
