namespace Bursar.Core.Forecast;

/// <summary>The facts from which the remaining time of a training job is estimated.</summary>
public sealed record JobFacts
{
    public ProgressSeries Progress { get; init; } = ProgressSeries.Empty;

    /// <summary>The reporter of the progress, as text. Empty if it need not be named.</summary>
    public string ProgressReporter { get; init; } = "";

    /// <summary><c>bursar.dev/total-steps</c>, used if progress reports no total.</summary>
    public long? DeclaredSteps { get; init; }

    /// <summary><c>bursar.dev/expected-duration</c>: the duration of the whole run.</summary>
    public TimeSpan? DeclaredDuration { get; init; }

    /// <summary>A description of unreadable annotations about the duration. Null: there are none.</summary>
    public string? Unreadable { get; init; }

    /// <summary>When the present run began (its first pod was scheduled). Null: nothing runs.</summary>
    public DateTimeOffset? RunningSince { get; init; }

    /// <summary>The trainer's own estimate in its object's status.</summary>
    public ReportedProgress? Reported { get; init; }

    /// <summary>The pieces of the job, such as a Job's completions. Empty: it is one whole.</summary>
    public IReadOnlyList<Pieces> Pieces { get; init; } = [];

    /// <summary>The GPUs that can run at the same time, which its rate is for. Zero: derived from its pieces.</summary>
    public int Gpus { get; init; }

    /// <summary>
    /// Limits the high end only, because it says when a job is killed, not when it is done. Counted from <see cref="StartedAt"/>.
    /// </summary>
    public TimeSpan? ActiveDeadline { get; init; }

    /// <summary>
    /// When the present run began according to the job's own status. A pod that was recreated after a failure does not restart it, a resume
    /// does. Null: not reported.
    /// </summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>The step of the last known checkpoint, from which a suspended job would start again. Null: from zero.</summary>
    public long? CheckpointStep { get; init; }

    /// <summary>Completed runs of the same series, oldest first.</summary>
    public IReadOnlyList<EarlierRun> EarlierRuns { get; init; } = [];
}

/// <param name="Duration">How long it had GPUs, from its first pod to its end, without suspensions.</param>
/// <param name="Steps">Its number of steps. Null: not reported.</param>
public sealed record EarlierRun(TimeSpan Duration, long? Steps = null);
