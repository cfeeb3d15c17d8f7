"""Object settings: how objects are made of what a network says, as far as it was fitted."""

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ObjectSettings"]


class ObjectSettings(BaseModel):
    """How the map of a network that tells shapes becomes objects.

    Attributes
    ----------
    split : float
        Parts are two objects where their neck is at most so deep as this share of the shallower
        part; 0 joins all that touches, 1 parts as much as possible.
    foreground : float
        Probability of all foreground classes together from which a voxel belongs to an object.
    boundary : float
        How much the shape ``boundary`` counts: the depth of a voxel is ``distance * (1 - this *
        boundary)``.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    split: float = Field(default=0.5, ge=0, le=1)
    foreground: float = Field(default=0.5, ge=0, le=1)
    boundary: float = Field(default=1.0, ge=0, le=1)
