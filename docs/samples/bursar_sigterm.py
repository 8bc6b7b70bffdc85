"""SIGTERM as a flag: the step that runs is finished, a checkpoint is written, and the process ends in peace."""
import signal

_asked = False


def listen():
    """Call it once, from the main thread, after the framework has set up its own handlers."""
    def remember(number, frame):
        global _asked
        _asked = True

    signal.signal(signal.SIGTERM, remember)


def asked():
    return _asked
