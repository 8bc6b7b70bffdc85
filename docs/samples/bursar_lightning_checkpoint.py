"""Trainer(callbacks=[BursarCheckpoints("/checkpoints/last.ckpt")]): saves when Bursar asks and goes on, saves on SIGTERM and ends."""
try:
    from lightning.pytorch import Callback
except ImportError:
    from pytorch_lightning import Callback

import bursar_sigterm
from bursar_checkpoint import wanted_by_all, written


class BursarCheckpoints(Callback):
    def __init__(self, path):
        self._path = path

    def on_train_start(self, trainer, pl_module):
        bursar_sigterm.listen()  # Lightning's own handler is set before, and raises at once.

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        asked, ends = wanted_by_all(trainer.global_step, trainer.is_global_zero), bursar_sigterm.asked()
        if asked or ends:
            trainer.save_checkpoint(self._path)  # On all ranks: some strategies write a part each.
        if asked and trainer.is_global_zero:
            written(trainer.global_step)
        if ends:
            trainer.should_stop = True  # trainer.fit() returns.
