"""Annotations from the command line and in Python: made, imported, exported, changed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from napari_ziggurat.classes import LabelClass
from napari_ziggurat.errors import ExistsError, InputError
from napari_ziggurat.geometry import Box
from napari_ziggurat.images import Image, open_image
from napari_ziggurat.images.annotation_store import AnnotationStore, default_place
from napari_ziggurat.images.annotation_store.transfer import (
    copy_annotation,
    export_annotation,
    import_labels,
    source_image,
)
from napari_ziggurat.images.export import check_format
from napari_ziggurat.images.marks import is_annotation
from napari_ziggurat.progress import Progress, Run
from napari_ziggurat.runs.config import (
    AnnotationNewConfig,
    ClassesConfig,
    CompleteConfig,
    CopyConfig,
    ImportConfig,
    OwnerConfig,
)
from napari_ziggurat.runs.output.place import clear
from napari_ziggurat.runs.values import parse_class

__all__ = [
    "AnnotationChange",
    "adopt_image",
    "annotate_file",
    "complete_box",
    "create_annotation",
    "export_annotation_file",
    "name_classes",
]


@dataclass(frozen=True)
class AnnotationChange:
    """What was done to an annotation.

    Attributes
    ----------
    annotation : str
        Folder of the annotation, or the file that was written.
    done : str
        In words.
    painted : mapping of int to int
        Voxels that got each value; 255 is background.
    contradicted : int
        Voxels that had another label before.
    """

    annotation: str
    done: str
    painted: dict[int, int] = field(default_factory=dict)
    contradicted: int = 0

    def as_dict(self) -> dict[str, object]:
        """Give the result as JSON can hold it."""
        return asdict(self) | {"painted": {str(v): n for v, n in self.painted.items()}}

    def render(self) -> str:
        """Say where the annotation lies and what became of it."""
        lines = [f"{self.annotation}: {self.done}"]
        lines += [f"  {_name(value)} {count} voxels" for value, count in self.painted.items()]
        if self.contradicted:
            lines.append(f"  {self.contradicted} voxels had another label before")
        return "\n".join(lines)


def create_annotation(config: AnnotationNewConfig) -> Run[AnnotationChange]:
    """Make an empty annotation of an image."""
    yield Progress("annotation", message="looking at the image")
    image = open_image(config.image, axes=config.axes, spacing=config.spacing, unit=config.unit)
    place = config.annotation or default_place(image)
    classes = [parse_class(text) for text in config.classes]
    AnnotationStore.create(image, config.level, place, classes=classes).close()
    return AnnotationChange(str(place), f"made for level {config.level} of '{image.name}'")


def annotate_file(config: ImportConfig) -> Run[AnnotationChange]:
    """Paint what a label file holds; the annotation is made where there is none.

    Each piece of the file is a stroke of its own: after an interruption the same command does the
    rest.
    """
    yield Progress("import", message="looking through the labels")
    image = open_image(config.image, axes=config.axes, spacing=config.spacing, unit=config.unit)
    labels = open_image(config.labels, like=image)
    painted: Counter[int] = Counter()
    contradicted = 0
    with _opened(config, image, labels) as store:
        for done, record in enumerate(
            import_labels(store, labels, dense=config.dense, at=config.at), 1
        ):
            painted.update(record.painted)
            contradicted += record.contradicted
            yield Progress("import", done)
        _add_classes(store, config.classes)
        return AnnotationChange(
            str(store.path), f"'{config.labels}' imported", dict(sorted(painted.items())),
            contradicted,
        )  # fmt: skip


def export_annotation_file(config: CopyConfig) -> Run[AnnotationChange]:
    """Write an annotation as TIFF, NIfTI, PNG or OME-Zarr."""
    yield Progress("export", message=f"writing {config.out}")
    store = AnnotationStore.open(config.annotation)
    _check_out(config)
    like = source_image(store)
    if config.out.suffix == ".zarr":
        if config.overwrite:
            clear(config.out, [config.out])
        copy_annotation(store, config.out)
    else:
        check_format(config.out, store.grid.shape, store.drawn_on.times)
        export_annotation(store, config.out, like)
    lost = (
        ""
        if like
        else f"; the image {store.drawn_on.source or ''} was not found, so a NIfTI "
        "file has the spacing and place of the annotation alone"
    )
    return AnnotationChange(str(config.out), f"'{config.annotation}' exported{lost}")


def name_classes(config: ClassesConfig) -> Run[AnnotationChange]:
    """Name and colour classes; those that are not mentioned stay as they are."""
    yield Progress("annotation", message="reading the classes")
    if not config.classes:
        classes = AnnotationStore.open(config.annotation).classes
        return AnnotationChange(str(config.annotation), _listed(classes))
    with AnnotationStore.open(config.annotation, write=True) as store:
        _add_classes(store, config.classes)
        return AnnotationChange(str(store.path), _listed(store.classes))


def complete_box(config: CompleteConfig) -> Run[AnnotationChange]:
    """Say that a box is complete: what is unlabelled in it becomes background."""
    yield Progress("annotation", message="filling the box")
    with AnnotationStore.open(config.annotation, write=True) as store:
        record = store.complete(Box.parse(config.box))
        done = f"{record.box} is complete"
        return AnnotationChange(str(store.path), done, dict(record.painted))


def adopt_image(config: OwnerConfig) -> Run[AnnotationChange]:
    """Take down that an annotation belongs to an image as it is now."""
    yield Progress("annotation", message="looking at the image")
    image = open_image(config.image, axes=config.axes, spacing=config.spacing, unit=config.unit)
    with AnnotationStore.open(config.annotation, write=True) as store:
        differs = store.adopt(image)
    changes = f"; changed: {'; '.join(differs)}" if differs else "; nothing had changed"
    return AnnotationChange(str(config.annotation), f"belongs to '{config.image}'{changes}")


def _opened(config: ImportConfig, image: Image, labels: Image) -> AnnotationStore:
    place = config.annotation or default_place(image)
    if not is_annotation(place):
        level = config.level if config.level is not None else _fitting_level(config, image, labels)
        return AnnotationStore.create(image, level, place)
    store = AnnotationStore.open(place, image=image, write=True)
    if config.level not in (None, store.drawn_on.level):
        store.close()
        raise InputError(
            f"'{place}' is drawn on level {store.drawn_on.level}; --level {config.level} needs an "
            "annotation of its own. Give another --annotation."
        )
    return store


def _fitting_level(config: ImportConfig, image: Image, labels: Image) -> int:
    if config.at is not None:
        return 0
    shapes = {level.shape for level in labels.levels}
    found = [i for i, level in enumerate(image.levels) if level.shape in shapes]
    if not found:
        theirs = " or ".join(str(level.shape) for level in labels.levels)
        ours = ", ".join(str(level.shape) for level in image.levels)
        raise InputError(
            f"'{config.labels}' has shape {theirs}, and no level of '{config.image}' has ({ours}). "
            "Labels that cover a part of the image need --at, and --level where it is not 0."
        )
    return found[0]


def _add_classes(store: AnnotationStore, texts: Sequence[str]) -> None:
    if texts:
        named = {each.value: each for each in store.classes}
        named |= {each.value: each for each in map(parse_class, texts)}
        store.set_classes(list(named.values()))


def _check_out(config: CopyConfig) -> None:
    here = config.out.resolve()
    if here == config.annotation.resolve() or config.annotation.resolve().is_relative_to(here):
        raise InputError(f"'{config.out}' is or holds the annotation itself; give another OUT.")
    if config.out.exists() and not config.overwrite:
        raise ExistsError(f"'{config.out}' exists. Give another OUT, or --overwrite to replace it.")


def _listed(classes: Sequence[LabelClass]) -> str:
    named = ", ".join(f"{c.value} {c.name} ({c.color})" for c in classes)
    return f"classes {named}" if named else "no class is named yet"


def _name(value: int) -> str:
    names = {0: "erased", 255: "background"}
    return names.get(value, f"class {value}")
