"""Trainer(..., callbacks=[BursarCheckpoints()]): saves when Bursar asks and goes on, saves on SIGTERM and ends."""
from transformers import TrainerCallback

import bursar_sigterm
from bursar_checkpoint import wanted_by_all, written


class BursarCheckpoints(TrainerCallback):
    def on_train_begin(self, args, state, control, **kwargs):
        bursar_sigterm.listen()

    def on_step_end(self, args, state, control, **kwargs):
        if wanted_by_all(state.global_step, state.is_world_process_zero):
            control.should_save = True  # The Trainer saves, and goes on.
        if bursar_sigterm.asked():
            control.should_save = control.should_training_stop = True  # trainer.train() returns.

    def on_save(self, args, state, control, **kwargs):  # Called once the checkpoint is written.
        if state.is_world_process_zero:
            written(state.global_step)
