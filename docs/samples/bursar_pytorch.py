"""A plain PyTorch loop that tells Bursar its steps. `train` takes any model, optimizer and loss."""
from bursar_progress import report


def train(model, loader, optimizer, loss_of, epochs, save=None, save_every=1000):
    total, step = epochs * len(loader), 0
    for _ in range(epochs):
        for batch in loader:
            optimizer.zero_grad()
            loss_of(model, batch).backward()
            optimizer.step()
            step += 1
            saved = save is not None and step % save_every == 0
            if saved:
                save(step)
            report(step, total, checkpoint=saved)
