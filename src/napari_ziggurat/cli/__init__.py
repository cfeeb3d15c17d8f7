"""The command line: parse, call, show. Commands import what they need when they run."""

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from napari_ziggurat.cli.annotation import annotation_app
from napari_ziggurat.cli.guard import INTERRUPTED, REFUSED, say
from napari_ziggurat.cli.options import configured, plain
from napari_ziggurat.cli.terminal import Terminal
from napari_ziggurat.runs.config import (
    CalibrateConfig,
    DemoConfig,
    EvaluateConfig,
    ExplainConfig,
    ExportConfig,
    InfoConfig,
    LineageConfig,
    NetworksConfig,
    ObjectsConfig,
    PlanConfig,
    SearchConfig,
    SegmentConfig,
    SlurmConfig,
    SuggestConfig,
    TrainConfig,
)

__all__ = ["app", "main"]


class _Commands(TyperGroup):
    """Says what is wrong with the arguments in one sentence, as every other error is said."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        given = list(sys.argv[1:] if args is None else args) or ["--help"]
        try:
            code = super().main(given, prog_name, complete_var, False, windows_expand_args, **extra)
        except typer.TyperException as error:
            code = _refuse(error)
        except typer.Abort:
            code = INTERRUPTED
        if standalone_mode:
            sys.exit(code or 0)
        return code or 0


def _refuse(error: typer.TyperException) -> int:
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "ziggurat"
    message = error.format_message()
    end = "" if message.endswith((".", "?")) else "."
    say(f"{message}{end} See '{command} --help'.")
    return REFUSED


app = typer.Typer(
    name="ziggurat",
    cls=_Commands,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Segment microscopy volumes of any size with networks trained on a few strokes.",
    epilog="For research; not a medical device.",
)

app.add_typer(annotation_app)


def main() -> None:
    """Run the command line."""
    app(prog_name="ziggurat")


def _show_version(wanted: bool) -> None:
    if wanted:
        from napari_ziggurat import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    pass


@app.command()
@configured(InfoConfig)
def info(config: InfoConfig, terminal: Terminal) -> None:
    """Tell what is in an image: axes, shape, levels, spacing, channels; or what a model is for."""
    from napari_ziggurat.images import find_images, open_image
    from napari_ziggurat.runs.info import describe, render
    from napari_ziggurat.runs.model_info import describe_model, is_model, render_model

    if is_model(config.image):
        model = describe_model(config.image)
        terminal.show(model, render_model(model))
        return
    paths = find_images(config.image)
    found = [
        describe(open_image(path, axes=config.axes, spacing=config.spacing, unit=config.unit))
        for path in paths
    ]
    single = paths == [config.image]
    terminal.show(found[0] if single else found, "\n\n".join(render(each) for each in found))


@app.command()
@plain
def doctor(terminal: Terminal) -> None:
    """Tell which versions and devices there are, and why there is no GPU."""
    from napari_ziggurat.runs.doctor import examine

    report = examine()
    terminal.show(report.as_dict(), report.render())


@app.command()
@configured(NetworksConfig)
def networks(config: NetworksConfig, terminal: Terminal) -> None:
    """List the architectures, or show the parts of one."""
    from napari_ziggurat.networks.registry import compose, list_networks

    if config.show is not None:
        shown = compose(config.show)
        text = f"# {config.show}, as for planes\n{shown.to_yaml()}"
        terminal.show(shown.as_dict(), text.rstrip())
        return
    found = list_networks()
    width = max(len(n.name) for n in found)
    lines = [
        f"{n.name:<{width}} {n.parameters / 1e6:6.1f} M  {n.summary} ({n.paper})" for n in found
    ]
    terminal.show([network.as_dict() for network in found], "\n".join(lines))


@app.command()
@configured(PlanConfig)
def plan(config: PlanConfig, terminal: Terminal) -> None:
    """Tell what a training would decide, why, and what a step takes; nothing is trained."""
    from napari_ziggurat.runs.train_plan import plan_training

    terminal.follow(plan_training(config))


@app.command()
@configured(TrainConfig)
def train(config: TrainConfig, terminal: Terminal) -> None:
    """Train a model on images with labels or with sparse annotation."""
    from napari_ziggurat.runs.train import train

    terminal.follow(train(config))


@app.command()
@configured(LineageConfig)
def lineage(config: LineageConfig, terminal: Terminal) -> None:
    """Tell how a model came to be: rounds of training, data and scores from its first ancestor."""
    from napari_ziggurat.runs.lineage import trace_lineage

    found = trace_lineage(config.model)
    terminal.show(found.as_dict(), found.render())


@app.command()
@configured(SearchConfig)
def search(config: SearchConfig, terminal: Terminal) -> None:
    """Search the connections of a NAS-FPN on your images: mutate, train briefly, keep the best."""
    from napari_ziggurat.runs.search import search

    terminal.follow(search(config))


@app.command()
@configured(SegmentConfig)
def segment(config: SegmentConfig, terminal: Terminal) -> None:
    """Segment an image of any size, or a folder of images, with a trained model."""
    from napari_ziggurat.inference.allocator import keep_freed_memory

    keep_freed_memory()
    from napari_ziggurat.runs.segment import segment

    terminal.follow(segment(config))


@app.command()
@configured(SlurmConfig)
def slurm(config: SlurmConfig, terminal: Terminal) -> None:
    """Print a Slurm job script that segments in parts; nothing is run."""
    from napari_ziggurat.runs.slurm import slurm_script

    script = slurm_script(config)
    terminal.show(script.as_dict(), script.render())


@app.command()
@configured(ObjectsConfig)
def objects(config: ObjectsConfig, terminal: Terminal) -> None:
    """Make objects of a segmentation of any size: one number each, and a table of them."""
    from napari_ziggurat.runs.objects import objects

    terminal.follow(objects(config))


@app.command()
@configured(EvaluateConfig)
def evaluate(config: EvaluateConfig, terminal: Terminal) -> None:
    """Compare predicted labels with true ones: overlap, surfaces and objects, also by size."""
    from napari_ziggurat.runs.evaluate import evaluate

    terminal.follow(evaluate(config))


@app.command()
@configured(CalibrateConfig)
def calibrate(config: CalibrateConfig, terminal: Terminal) -> None:
    """Fit how levels are weighed, or how a map becomes objects, and keep it in the model."""
    from napari_ziggurat.runs.calibrate import calibrate

    terminal.follow(calibrate(config))


@app.command()
@configured(ExportConfig)
def export(config: ExportConfig, terminal: Terminal) -> None:
    """Write a model as a file that other programs run, checked against this one."""
    from napari_ziggurat.runs.export import export

    terminal.follow(export(config))


@app.command()
@configured(ExplainConfig)
def explain(config: ExplainConfig, terminal: Terminal) -> None:
    """Show what a model makes of an image inside: features, attention, receptive field, costs."""
    from napari_ziggurat.runs.explain import explain

    terminal.follow(explain(config))


@app.command()
@configured(SuggestConfig)
def suggest(config: SuggestConfig, terminal: Terminal) -> None:
    """Say where to annotate next: the boxes of an image that a model is least sure of."""
    from napari_ziggurat.inference.allocator import keep_freed_memory

    keep_freed_memory()
    from napari_ziggurat.runs.suggest import suggest

    terminal.follow(suggest(config))


@app.command()
@configured(DemoConfig)
def demo(config: DemoConfig, terminal: Terminal) -> None:
    """Make a volume, train on a few strokes, segment it and score the result."""
    from napari_ziggurat.runs.demo import demo

    terminal.follow(demo(config))
