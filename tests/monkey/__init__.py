"""A monkey in front of the dock: does whatever one can do there, in any order, and counts on it.

    xvfb-run -a -s "-screen 0 1600x1000x24" env PYTHONPATH=tests LIBGL_ALWAYS_SOFTWARE=1 \
        python -m monkey --seed 7 --actions 500

The same seed does the same things; how far threads are by then is up to the machine.
"""
