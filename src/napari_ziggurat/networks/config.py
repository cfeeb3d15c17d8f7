"""NetworkConfig: a network in values, checked before anything is built."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    Tag,
    model_serializer,
    model_validator,
)

from napari_ziggurat.geometry import SurroundGrids
from napari_ziggurat.networks import contexts, heads  # noqa: F401  register their parts
from napari_ziggurat.networks.encoders import ResidualEncoderConfig
from napari_ziggurat.networks.monai_designs import MonaiDesign, refusal
from napari_ziggurat.networks.necks import UNetNeckConfig
from napari_ziggurat.networks.parts import (
    ContextConfig,
    EncoderConfig,
    Equalize,
    HeadConfig,
    NeckConfig,
    Norm,
    PartConfig,
    Style,
    Upsampling,
    find_part,
)
from napari_ziggurat.networks.surround import SurroundConfig
from napari_ziggurat.networks.topology import AxisValues, Strict, Topology

__all__ = ["AnyNetworkConfig", "ComposedConfig", "MonaiConfig", "NetworkConfig", "Topology"]

Encoder = Annotated[SerializeAsAny[EncoderConfig], BeforeValidator(find_part("encoder"))]
Context = Annotated[SerializeAsAny[ContextConfig], BeforeValidator(find_part("context"))]
Neck = Annotated[SerializeAsAny[NeckConfig], BeforeValidator(find_part("neck"))]
Head = Annotated[SerializeAsAny[HeadConfig], BeforeValidator(find_part("head"))]


class NetworkConfig(Strict):
    """Everything needed to build a network again; stored in ``model.json``.

    Attributes
    ----------
    name : str
        The preset or file it came from, as in ``--network``.
    topology : Topology
        The pyramid that all parts agree on.
    norm : str
        ``"batch"`` does not depend on the tiling; with the others results do.
    supervised : int
        Outputs that get a classifier in training (deep supervision); 1 switches it off.
    """

    name: str
    topology: Topology
    norm: Norm = "batch"
    supervised: int = Field(3, ge=1)

    @property
    def stride(self) -> AxisValues:
        """Ratio of the input to the coarsest grid there is; the input is padded to it."""
        return self.topology.total_stride

    @property
    def surroundings(self) -> SurroundGrids | None:
        """Grids of the surroundings that it sees, along its axes; None where it sees none."""
        return None

    @property
    def hook_channels(self) -> int:
        """Channels of the feature that is made of the surroundings; 0 where it sees none."""
        return 0


class ComposedConfig(NetworkConfig):
    """Encoder -> context -> neck -> head.

    Attributes
    ----------
    encoder, context, neck, head : PartConfig
        The parts; context and head may be None.
    upsampling : str
        ``"linear"``, ``"deconv"`` (transposed convolution) or ``"pixelshuffle"``.
    equalize : str
        Scale equalizers (arXiv 2402.01149) before every concatenation of levels:
        ``"explicit"``, ``"initialisation"`` or ``"off"``.
    equalize_sums : bool
        Also before every sum of levels.
    surround : SurroundConfig or None
        A branch over the surroundings of the window; left out of what is written where there is
        none, as it was before there was such a thing.
    """

    encoder: Encoder = ResidualEncoderConfig()
    context: Context | None = None
    neck: Neck = UNetNeckConfig()
    head: Head | None = None
    upsampling: Upsampling = "linear"
    equalize: Equalize = "off"
    equalize_sums: bool = False
    surround: SurroundConfig | None = None

    @property
    def stride(self) -> AxisValues:
        """Ratio of the input to the coarsest grid there is; the input is padded to it."""
        return self.neck.pyramid(self.topology).total_stride

    @property
    def surroundings(self) -> SurroundGrids | None:
        """Grids of the surroundings that it sees, along its axes; None where it sees none."""
        return None if self.surround is None else self.surround.grids(self.topology)

    @property
    def hook_channels(self) -> int:
        """Channels of the feature that is made of the surroundings; 0 where it sees none."""
        return self.surround.hook_channels(self.topology) if self.surround else 0

    @property
    def style(self) -> Style:
        """What the parts share."""
        return Style(
            self.topology.dims, self.norm, self.upsampling, self.equalize, self.equalize_sums
        )

    @model_validator(mode="after")
    def _parts_fit(self) -> "ComposedConfig":
        parts: list[PartConfig | None] = [self.encoder, self.context, self.neck, self.head]
        given = [part for part in parts if part is not None]
        for part in given:
            part.check(self.topology)
        if self.surround is not None:
            self.surround.check(self.topology, self.encoder)
        if self.neck.feeds_back and not self.encoder.takes_feedback:
            raise ValueError(f"neck '{self.neck.kind}' feeds back into the encoder's stages, and "
                             f"encoder '{self.encoder.kind}' takes none; choose for example "
                             "'residual'")  # fmt: skip
        if self.upsampling != "linear" and not any(part.upsamples for part in given):
            raise ValueError(f"upsampling '{self.upsampling}' acts in necks of the U-Net family, "
                             f"and neck '{self.neck.kind}' resizes in its own way; leave it "
                             "out")  # fmt: skip
        self._refuse_idle_equalizers(given)
        return self

    @model_serializer(mode="wrap")
    def _without_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = handler(self)
        if written.get("surround", "") is None:
            del written["surround"]
        return written

    def _refuse_idle_equalizers(self, given: Sequence[PartConfig]) -> None:
        if self.equalize == "initialisation" and self.equalize_sums:
            raise ValueError("equalizers of sums have no weights of their own to move into; "
                             "take equalize 'explicit', or leave out equalize_sums")  # fmt: skip
        if (
            self.equalize == "off"
            or self.surround is not None
            or any(part.fuses or (part.adds and self.equalize_sums) for part in given)
        ):
            return
        parts = ", ".join(f"{part.purpose} '{part.kind}'" for part in given)
        adds = "; equalize_sums lets them act where features are added"
        raise ValueError(
            f"equalizers act where features are concatenated, and none of {parts} does that"
            f"{adds if any(part.adds for part in given) else ''}"
        )


class MonaiConfig(NetworkConfig):
    """A whole network of MONAI's behind the same contract.

    Attributes
    ----------
    design : str
        Its name in ``monai.networks.nets``.
    """

    design: MonaiDesign

    @model_validator(mode="after")
    def _design_fits(self) -> "MonaiConfig":
        if reason := refusal(self.design, self.topology, self.norm):
            raise ValueError(reason)
        return self


def _form(value: Any) -> str:
    if isinstance(value, Mapping):
        return "monai" if "design" in value else "composed"
    return "monai" if isinstance(value, MonaiConfig) else "composed"


AnyNetworkConfig = Annotated[
    Annotated[ComposedConfig, Tag("composed")] | Annotated[MonaiConfig, Tag("monai")],
    Discriminator(_form),
]
