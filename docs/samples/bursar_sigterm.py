"""SIGTERM as a flag, so that the current step can finish and a checkpoint can be written before the process exits."""
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
