"""Trainer(..., callbacks=[BursarCallback()]): steps and checkpoints of a Hugging Face Trainer."""
from transformers import TrainerCallback

from bursar_progress import report


class BursarCallback(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        if state.is_world_process_zero:
            report(state.global_step, state.max_steps)

    def on_save(self, args, state, control, **kwargs):  # Called once the checkpoint is written.
        if state.is_world_process_zero:
            report(state.global_step, state.max_steps, checkpoint=True)
