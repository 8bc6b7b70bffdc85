namespace Bursar.Sandbox.Nodes;

/// <summary>
/// When a training run makes which step, as a formula of the time since its container started: nothing has to tick.
/// Step n is complete at <c>startup + n steps of step-time (slower after slow-after) + jitter + a pause for every
/// checkpoint written before</c>, counted from the step the run resumed at.
/// </summary>
internal sealed record TrainingSchedule
{
    public required long TotalSteps { get; init; }

    public required TimeSpan StepTime { get; init; }

    /// <summary>The checkpoint's step the run goes on from; 0 for a new run.</summary>
    public long ResumeStep { get; init; }

    public TimeSpan Startup { get; init; }

    public long? SlowAfter { get; init; }

    public double SlowFactor { get; init; } = 1;

    public long? CheckpointEvery { get; init; }

    public TimeSpan CheckpointTime { get; init; }

    /// <summary>
    /// Checkpoints that were asked for: when each was begun, in this order, and how long it took. No step is made meanwhile.
    /// </summary>
    public IReadOnlyList<(TimeSpan At, TimeSpan Took)> Requested { get; init; } = [];

    public double Jitter { get; init; }

    public required DeterministicNoise Noise { get; init; }

    /// <summary>When the last step is complete.</summary>
    public TimeSpan Length => CompletedAt(TotalSteps);

    /// <summary>When <paramref name="step"/> is complete; steps up to the resumed one were complete at the startup's end.</summary>
    public TimeSpan CompletedAt(long step)
    {
        if (step <= ResumeStep)
            return Startup;
        var slow = SlowAfter is { } from ? Math.Max(0, step - Math.Max(from, ResumeStep)) : 0;
        var units = step - ResumeStep - slow + slow * SlowFactor;
        // The noise of one step stays below a step, so that the steps keep their order.
        units += Jitter * (Noise.At(step) + (step - ResumeStep) * (Noise.At(-1) - 0.5));
        var ticks = Startup.Ticks + (long)(units * StepTime.Ticks) + CheckpointsBefore(step) * CheckpointTime.Ticks;
        foreach (var (at, took) in Requested)
            if (ticks > at.Ticks)
                ticks += took.Ticks;
        return TimeSpan.FromTicks(ticks);
    }

    /// <summary>The last step that is complete at <paramref name="elapsed"/> since the container's start.</summary>
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

    /// <summary>The last checkpoint that is written in full at <paramref name="elapsed"/>, and when it was.</summary>
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
