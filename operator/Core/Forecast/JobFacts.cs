namespace Bursar.Core.Forecast;

/// <summary>What is known of a training job when its remaining time is estimated.</summary>
public sealed record JobFacts
{
    public ProgressSeries Progress { get; init; } = ProgressSeries.Empty;

    /// <summary>Who told the progress, in words for people; empty where that need not be said.</summary>
    public string ProgressReporter { get; init; } = "";

    /// <summary><c>bursar.dev/total-steps</c>, used where the progress itself names no total.</summary>
    public long? DeclaredSteps { get; init; }

    /// <summary><c>bursar.dev/expected-duration</c>: how long the whole run takes, in its owner's words.</summary>
    public TimeSpan? DeclaredDuration { get; init; }

    /// <summary>What its user wrote about its length and cannot be read, in words; null where there is none.</summary>
    public string? Unreadable { get; init; }

    /// <summary>When the present run began (its first pod was scheduled); null while nothing runs.</summary>
    public DateTimeOffset? RunningSince { get; init; }

    /// <summary>What the trainer tells through its own object's status.</summary>
    public ReportedProgress? Reported { get; init; }

    /// <summary>The pieces it is made of, such as a Job's completions; empty where it is one whole.</summary>
    public IReadOnlyList<Pieces> Pieces { get; init; } = [];

    /// <summary>GPUs that can run at the same time, for which its rate stands; zero means as many as its pieces say.</summary>
    public int Gpus { get; init; }

    /// <summary>Only caps the high end: it says when a job is killed, not when it is done. Counted from <see cref="StartedAt"/>.</summary>
    public TimeSpan? ActiveDeadline { get; init; }

    /// <summary>
    /// When the present run began by the job's own status: a pod that was made anew after a failure does not begin it again, a resume does.
    /// Null where the status does not say.
    /// </summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>The step a suspended job would start again from, where a checkpoint is known; else it starts at zero.</summary>
    public long? CheckpointStep { get; init; }

    /// <summary>Runs of the same series that were completed, oldest first.</summary>
    public IReadOnlyList<EarlierRun> EarlierRuns { get; init; } = [];
}

/// <param name="Duration">How long it held GPUs, from its first pod to its end; the time it was suspended is not in it.</param>
/// <param name="Steps">The steps it had; null where it told none.</param>
public sealed record EarlierRun(TimeSpan Duration, long? Steps = null);
