"""The commands of ``ziggurat annotation``."""

import typer

from napari_ziggurat.cli.options import configured
from napari_ziggurat.cli.terminal import Terminal
from napari_ziggurat.runs.config import (
    AnnotationInfoConfig,
    AnnotationNewConfig,
    ClassesConfig,
    CompleteConfig,
    CopyConfig,
    ImportConfig,
    OwnerConfig,
)

__all__ = ["annotation_app"]

annotation_app = typer.Typer(
    name="annotation",
    invoke_without_command=True,
    help="Make, import, export and look at annotations, which are safe on the disk stroke by "
    "stroke.",
)


@annotation_app.callback()
def _help(context: typer.Context) -> None:
    """Show what there is, as the command line itself does."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@annotation_app.command()
@configured(AnnotationNewConfig)
def create(config: AnnotationNewConfig, terminal: Terminal) -> None:
    """Make an empty annotation of an image."""
    from napari_ziggurat.runs.annotation import create_annotation

    terminal.follow(create_annotation(config))


@annotation_app.command("import")
@configured(ImportConfig)
def import_(config: ImportConfig, terminal: Terminal) -> None:
    """Paint what a label file holds into the annotation of an image."""
    from napari_ziggurat.runs.annotation import annotate_file

    terminal.follow(annotate_file(config))


@annotation_app.command()
@configured(CopyConfig)
def export(config: CopyConfig, terminal: Terminal) -> None:
    """Write an annotation as TIFF, NIfTI, PNG or OME-Zarr for other programs."""
    from napari_ziggurat.runs.annotation import export_annotation_file

    terminal.follow(export_annotation_file(config))


@annotation_app.command()
@configured(AnnotationInfoConfig)
def info(config: AnnotationInfoConfig, terminal: Terminal) -> None:
    """Tell what is in an annotation: image, level, classes, voxels, who painted and when."""
    from napari_ziggurat.runs.annotation_info import describe_annotation, render_annotation

    found = describe_annotation(config.annotation)
    terminal.show(found, render_annotation(found))


@annotation_app.command()
@configured(ClassesConfig)
def classes(config: ClassesConfig, terminal: Terminal) -> None:
    """Show the names and colours of the classes, or set some."""
    from napari_ziggurat.runs.annotation import name_classes

    terminal.follow(name_classes(config))


@annotation_app.command()
@configured(CompleteConfig)
def complete(config: CompleteConfig, terminal: Terminal) -> None:
    """Say that a box is complete: whatever is unlabelled in it is background."""
    from napari_ziggurat.runs.annotation import complete_box

    terminal.follow(complete_box(config))


@annotation_app.command()
@configured(OwnerConfig)
def adopt(config: OwnerConfig, terminal: Terminal) -> None:
    """Say that an annotation fits an image that has changed since it was drawn."""
    from napari_ziggurat.runs.annotation import adopt_image

    terminal.follow(adopt_image(config))
