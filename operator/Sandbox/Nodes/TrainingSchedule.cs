namespace Bursar.Sandbox.Nodes;

/// <summary>
/// The steps of a training run as a function of the time since its container started. Step n completes at <c>startup + n × step-time
/// (slower after slow-after) + jitter + the time of each checkpoint before</c>, counted from the step at which the run resumed.
/// </summary>
internal sealed record TrainingSchedule
{
    public required long TotalSteps { get; init; }

    public required TimeSpan StepTime { get; init; }

    /// <summary>The step of the checkpoint from which the run continues; 0 for a new run.</summary>
    public long ResumeStep { get; init; }

    public TimeSpan Startup { get; init; }

    public long? SlowAfter { get; init; }

    public double SlowFactor { get; init; } = 1;

    public long? CheckpointEvery { get; init; }

    public TimeSpan CheckpointTime { get; init; }

    /// <summary>
    /// Requested checkpoints in order: when each was started and how long it took. No step is made meanwhile.
    /// </summary>
    public IReadOnlyList<(TimeSpan At, TimeSpan Took)> Requested { get; init; } = [];

    public double Jitter { get; init; }

    public required DeterministicNoise Noise { get; init; }

    /// <summary>The time at which the last step completes.</summary>
    public TimeSpan Length => CompletedAt(TotalSteps);

    /// <summary>Returns when <paramref name="step"/> completes; for steps up to the resumed one, the end of the startup.</summary>
    public TimeSpan CompletedAt(long step)
    {
        if (step <= ResumeStep)
            return Startup;
        var slow = SlowAfter is { } from ? Math.Max(0, step - Math.Max(from, ResumeStep)) : 0;
        var units = step - ResumeStep - slow + slow * SlowFactor;
        // The noise is less than a step, so that the order of steps is kept.
        units += Jitter * (Noise.At(step) + (step - ResumeStep) * (Noise.At(-1) - 0.5));
        var ticks = Startup.Ticks + (long)(units * StepTime.Ticks) + CheckpointsBefore(step) * CheckpointTime.Ticks;
        foreach (var (at, took) in Requested)
            if (ticks > at.Ticks)
                ticks += took.Ticks;
        return TimeSpan.FromTicks(ticks);
    }

    /// <summary>Returns the last step that is complete at <paramref name="elapsed"/> since the container's start.</summary>
    public long StepAt(TimeSpan elapsed)
    {
        long low = ResumeStep,
            high = TotalSteps;
        while (low < high)
        {
            var middle = low + (high - low + 1) / 2;
            if (CompletedAt(middle) <= elapsed)
                low = middle;
            else
                high = middle - 1;
        }

        return low;
    }

    /// <summary>Returns the last checkpoint that is complete at <paramref name="elapsed"/> and its time; null if there is none.</summary>
    public (long Step, TimeSpan At)? CheckpointAt(TimeSpan elapsed)
    {
        var last = PeriodicAt(elapsed);
        foreach (var (at, took) in Requested)
            if (at + took <= elapsed && (last is null || at + took > last.Value.At))
                last = (StepAt(at), at + took);
        return last;
    }

    private (long Step, TimeSpan At)? PeriodicAt(TimeSpan elapsed)
    {
        if (CheckpointEvery is not { } every)
            return null;
        var step = StepAt(elapsed) / every * every;
        if (step > ResumeStep && CompletedAt(step) + CheckpointTime > elapsed)
            step -= every;
        return step > ResumeStep ? (step, CompletedAt(step) + CheckpointTime) : null;
    }

    private long CheckpointsBefore(long step) => CheckpointEvery is { } every ? (step - 1) / every - ResumeStep / every : 0;
}
