"""``python -m napari_ziggurat`` is the command ``ziggurat``."""

from napari_ziggurat.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
