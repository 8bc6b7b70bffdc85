"""A plain PyTorch loop that saves when Bursar asks and continues, and saves on SIGTERM and exits. `save(step)` writes a complete checkpoint."""
import sys

import bursar_sigterm
from bursar_checkpoint import wanted_by_all, written


def train(model, loader, optimizer, loss_of, epochs, save, rank=0):
    bursar_sigterm.listen()
    step = 0
    for _ in range(epochs):
        for batch in loader:
            optimizer.zero_grad()
            loss_of(model, batch).backward()
            optimizer.step()
            step += 1
            if wanted_by_all(step, rank == 0):
                save(step)
                if rank == 0:
                    written(step)
            if bursar_sigterm.asked():
                save(step)
                sys.exit(0)  # While a Job is being suspended this is not a completion. docs/tasks/checkpoints.md lists the other cases.
