"""Drives a sample of docs/samples as its framework would. Usage: drive.py SAMPLE. Says on stdout which framework it met."""
import sys
import types
import urllib.request

ask = urllib.request.OpenerDirector.open


def patient(opener, request, data=None, timeout=None):
    """A sample gives an agent a second. On a busy machine a test's agent may take longer, and the sample would then rightly say nothing."""
    return ask(opener, request, data, timeout=60)


if sys.argv[1] != "slow":
    urllib.request.OpenerDirector.open = patient


def framework(name, module, base):
    """The framework itself where the machine has it, else a stand-in for its base class alone."""
    try:
        __import__(module)
        print(f"{name}: the framework itself")
    except ImportError:
        print(f"{name}: a stub of {base}")
        parts = module.split(".")
        for i in range(len(parts)):
            sys.modules[".".join(parts[: i + 1])] = types.ModuleType(".".join(parts[: i + 1]))
        setattr(sys.modules[module], base, type(base, (), {}))


def plain():
    from bursar_progress import report

    for step in range(1, 31):
        report(step, 30, checkpoint=step == 20)


def slow():
    """Three seconds of steps against an agent that takes the connection and says nothing, after a step that is no number."""
    from time import monotonic, sleep

    from bursar_progress import report

    report("no number", every=0)
    begun, steps = monotonic(), 0
    while monotonic() - begun < 3:
        steps += 1
        report(steps, every=0.05)
        sleep(0.001)
    print(f"steps: {steps}")


def pytorch():
    import bursar_pytorch

    class Thing:
        def zero_grad(self): ...
        def step(self): ...
        def backward(self): ...

    bursar_pytorch.train(Thing(), [1, 2, 3, 4, 5], Thing(), lambda model, batch: Thing(), epochs=6, save=lambda step: None, save_every=20)


def huggingface():
    framework("huggingface", "transformers", "TrainerCallback")
    from bursar_huggingface import BursarCallback

    callback = BursarCallback()
    for rank_zero in (False, True):
        state = types.SimpleNamespace(global_step=0, max_steps=30, is_world_process_zero=rank_zero)
        for state.global_step in range(1, 31) if rank_zero else [999]:
            callback.on_step_end(None, state, None)
            if state.global_step == 20:
                callback.on_save(None, state, None)


def lightning():
    framework("lightning", "lightning.pytorch", "Callback")
    from bursar_lightning import BursarCallback

    callback = BursarCallback()
    for rank_zero in (False, True):
        trainer = types.SimpleNamespace(global_step=0, estimated_stepping_batches=30, is_global_zero=rank_zero)
        for trainer.global_step in range(1, 31) if rank_zero else [999]:
            callback.on_train_batch_end(trainer, None, None, None, 0)
            if trainer.global_step == 19 and rank_zero:
                callback.on_save_checkpoint(trainer, None, {})
    callback.on_save_checkpoint(trainer, None, {})
    callback.on_train_end(trainer, None)
    trainer.estimated_stepping_batches = float("inf")
    callback.on_train_batch_end(trainer, None, None, None, 0)


def term(at, step):
    """A SIGTERM to itself at the end of a step, where one is to come."""
    if step == at:
        import os, signal

        os.kill(os.getpid(), signal.SIGTERM)


def saves(terms=None):
    from bursar_pytorch_checkpoint import train

    class Thing:
        steps = 0

        def zero_grad(self): ...
        def backward(self): ...

        def step(self):
            Thing.steps += 1
            term(terms, Thing.steps)

    train(Thing(), [1, 2, 3, 4, 5], Thing(), lambda model, batch: Thing(), epochs=6, save=lambda step: print(f"saved {step}"))
    print(f"ended {Thing.steps}")


def saves_huggingface(terms=None):
    framework("huggingface", "transformers", "TrainerCallback")
    from bursar_huggingface_checkpoint import BursarCheckpoints

    for rank_zero in (False, True) if terms is None else [True]:
        callback = BursarCheckpoints()
        state = types.SimpleNamespace(global_step=0, max_steps=30, is_world_process_zero=rank_zero)
        control = types.SimpleNamespace(should_save=False, should_training_stop=False)
        callback.on_train_begin(None, state, control)
        for state.global_step in range(1, 31):
            term(terms, state.global_step)
            callback.on_step_end(None, state, control)
            if control.should_save:
                print(f"saved {state.global_step}")
                callback.on_save(None, state, control)
                control.should_save = False
            if control.should_training_stop:
                return
        print(f"ended {state.global_step}")


def saves_lightning(terms=None):
    framework("lightning", "lightning.pytorch", "Callback")
    from bursar_lightning_checkpoint import BursarCheckpoints

    for rank_zero in (False, True) if terms is None else [True]:
        callback = BursarCheckpoints("last.ckpt")
        trainer = types.SimpleNamespace(global_step=0, is_global_zero=rank_zero, should_stop=False)
        trainer.save_checkpoint = lambda path: print(f"saved {trainer.global_step}")
        callback.on_train_start(trainer, None)
        for trainer.global_step in range(1, 31):
            term(terms, trainer.global_step)
            callback.on_train_batch_end(trainer, None, None, None, 0)
            if trainer.should_stop:
                return
        print(f"ended {trainer.global_step}")


def saves_late():
    """The agent is away when the checkpoint is written, and is told when it is back."""
    import bursar_checkpoint as checkpoints

    assert checkpoints.wanted(every=0)
    there, checkpoints.URL = checkpoints.URL, "http://127.0.0.1:1/v1/checkpoint"
    checkpoints.written(7)
    checkpoints.wanted(every=0)
    checkpoints.URL, checkpoints._next = there, 0
    assert not checkpoints.wanted(every=0)


todo = {"plain": plain, "slow": slow, "pytorch": pytorch, "huggingface": huggingface, "lightning": lightning,
        "saves": saves, "saves-huggingface": saves_huggingface, "saves-lightning": saves_lightning, "saves-late": saves_late}
todo[sys.argv[1]](*map(int, sys.argv[2:]))
