"""Swin: attention within windows that are shifted from block to block.

MONAI's class ``SwinTransformer`` halves every axis at each level, starts on a coarser grid than the
input's and needs einops; so its blocks are used.
"""

import torch
from monai.networks.nets.swin_unetr import SwinTransformerBlock, window_partition, window_reverse
from torch import nn
from torch.nn import functional

from napari_ziggurat.networks.blocks import Channels, ConvSpec, Stride, crop, divisor, merge_patches

__all__ = ["ShiftedBlock", "SwinStage"]


class SwinStage(nn.Module):
    """Merge patches, then attention in windows and in windows shifted by half, in turn.

        even blocks  |--------|--------|--------|
        odd blocks   |----|--------|--------|----|

    The grid is filled up to whole windows by its last voxels.

    Parameters
    ----------
    spec, channels, stride
        As of all blocks; windows have one voxel where the kernel has.
    blocks : int
        Even, so that each window meets its neighbours.
    window : int
        Voxels of a window along an axis.
    head_width : int
        Channels of each attention head, or more where channels cannot be split so.
    """

    def __init__(
        self,
        spec: ConvSpec,
        channels: Channels,
        stride: Stride = (),
        *,
        blocks: int,
        window: int,
        head_width: int,
    ) -> None:
        super().__init__()
        out = channels[1]
        heads = divisor(out, out // head_width)
        self.window = tuple(window if k > 1 else 1 for k in spec.kernel)
        shifts = (tuple(0 for _ in self.window), tuple(w // 2 for w in self.window))
        self.merge = merge_patches(spec.dims, channels, stride)
        self.blocks = nn.Sequential(
            *(ShiftedBlock(out, heads, self.window, shifts[i % 2]) for i in range(blocks))
        )
        self.norm = nn.LayerNorm(out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, (Z), Y, X) to (N, out, ...)."""
        x = self.merge(x)
        size = x.shape[2:]
        missing = [(n + w - 1) // w * w - n for n, w in zip(size, self.window, strict=True)]
        pads = [p for n in reversed(missing) for p in (0, n)]
        x = self.blocks(functional.pad(x, pads, mode="replicate").movedim(1, -1))
        return crop(self.norm(x).movedim(-1, 1), size)


class ShiftedBlock(SwinTransformerBlock):
    """MONAI's block for grids of whole windows, without a branch on the size of the grid.

    An exported network would keep the branch of its example. MONAI's block also shrinks windows to
    smaller grids and then looks up the position biases of other neighbours.
    """

    def forward(self, x: torch.Tensor, mask_matrix: None = None) -> torch.Tensor:
        """Map (N, (Z), Y, X, C) to the same; makes its own mask."""
        attend = self._attend_shifted if any(self.shift_size) else self._attend
        x = x + attend(self.norm1(x))
        out: torch.Tensor = x + self.mlp(self.norm2(x))
        return out

    def _attend(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        seen = self.attn(window_partition(x, self.window_size), mask)
        seen = seen.view(-1, *self.window_size, x.shape[-1])
        grid: torch.Tensor = window_reverse(seen, self.window_size, x.shape[:-1])
        return grid

    def _attend_shifted(self, x: torch.Tensor) -> torch.Tensor:
        places = [torch.arange(n, device=x.device) for n in x.shape[1:-1]]
        sizes = zip(places, self.window_size, self.shift_size, strict=True)
        shifts = [half * (place[-1] >= window) for place, window, half in sizes]  # 0: one window
        seen = self._attend(_roll(x, places, shifts), self._mask(places, shifts))
        return _roll(seen, places, [-shift for shift in shifts])

    def _mask(self, places: list[torch.Tensor], shifts: list[torch.Tensor]) -> torch.Tensor:
        """Give -100 for voxels that meet in one window from opposite ends of the grid."""
        part = places[0].new_zeros(())
        for place, window, shift in zip(places, self.window_size, shifts, strict=True):
            last = place[-1]
            part = (
                3 * part[..., None] + (place > last - window).int() + (place > last - shift).int()
            )
        parts = window_partition(part[None, ..., None], self.window_size)
        mask: torch.Tensor = -100.0 * (parts != parts.mT)
        return mask


def _roll(x: torch.Tensor, places: list[torch.Tensor], shifts: list[torch.Tensor]) -> torch.Tensor:
    for axis, (place, shift) in enumerate(zip(places, shifts, strict=True), start=1):
        x = x.index_select(axis, (place + shift) % (place[-1] + 1))
    return x
