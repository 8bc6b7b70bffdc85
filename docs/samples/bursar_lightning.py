"""Trainer(callbacks=[BursarCallback()]): steps and checkpoints of a Lightning Trainer."""
import math

try:
    from lightning.pytorch import Callback
except ImportError:
    from pytorch_lightning import Callback

from bursar_progress import report


class BursarCallback(Callback):
    _saving = False

    def on_save_checkpoint(self, trainer, pl_module, checkpoint):
        self._saving = True  # It is written after this call: told with the next step.

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.is_global_zero:
            steps = trainer.estimated_stepping_batches  # Infinite where no end is set.
            report(trainer.global_step, steps if math.isfinite(steps) else None, checkpoint=self._saving)
            self._saving = False

    def on_train_end(self, trainer, pl_module):
        if self._saving:  # The last checkpoint is written after the last step.
            self.on_train_batch_end(trainer, pl_module, None, None, 0)
