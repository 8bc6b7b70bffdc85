namespace Bursar.Core.Forecast;

/// <summary>
/// Equal pieces of a workload, such as the completions of a Job: ended, in flight and to come. At most <see cref="AtOnce"/> of them run at
/// the same time.
/// </summary>
public sealed record Pieces
{
    /// <summary>The number of completions wanted.</summary>
    public required int Total { get; init; }

    /// <summary>Pieces that will not run again because they succeeded or failed for good.</summary>
    public int Ended { get; init; }

    /// <summary>The parallelism, even if fewer pieces are left.</summary>
    public required int AtOnce { get; init; }

    /// <summary>The GPUs of one piece.</summary>
    public int Gpus { get; init; } = 1;

    /// <summary>
    /// The billed time of ended pieces, with all attempts of a piece together. A sample if the cluster has deleted finished pods.
    /// </summary>
    public IReadOnlyList<TimeSpan> Finished { get; init; } = [];

    /// <summary>The billed time so far of the running pieces, including earlier attempts of a piece.</summary>
    public IReadOnlyList<TimeSpan> InFlight { get; init; } = [];

    /// <summary>The billed time of failed attempts that belong to no known piece, because the Job is not Indexed.</summary>
    public TimeSpan Retried { get; init; }

    /// <summary>How long the workload's pods have had GPUs so far. Used only if no finished pod is left. Null: unknown.</summary>
    public TimeSpan? GpuTime { get; init; }

    /// <summary>Pieces of a stage begin when those of all lower stages have ended.</summary>
    public int Stage { get; init; }

    /// <summary>These pieces do not decide when the workload ends. They are stopped when the others of their stage have ended.</summary>
    public bool Follows { get; init; }

    /// <summary>
    /// The workload ends with these pieces, even if others remain. If there are several such groups, the first one counts.
    /// </summary>
    public bool Suffices { get; init; }

    /// <summary>A condition that ends the workload before all pieces have ended. Null: none.</summary>
    public EarlySuccess? Success { get; init; }

    /// <summary>Returns the number of pieces that run one after the other in total, at the present parallelism.</summary>
    public static long WavesOf(IEnumerable<Pieces> groups) =>
        groups
            .Where(group => group.AtOnce > 0)
            .GroupBy(group => group.Stage)
            .Sum(stage => stage.Max(group => ((long)group.Total + group.AtOnce - 1) / group.AtOnce));

    /// <summary>The pieces that have not ended.</summary>
    public int Left => Math.Max(Math.Max(0, Total - Ended), InFlight.Count);

    /// <summary>The pieces that have not begun, or begin again after a failed attempt.</summary>
    public int ToCome => Left - InFlight.Count;

    /// <summary>The highest number of pieces that can run at the same time from now on, at least those that run now.</summary>
    public int Slots => Math.Max(InFlight.Count, Math.Min(AtOnce, Left));

    /// <summary>False for a gang. Its pods begin and end together, so finished pods say nothing about running ones.</summary>
    public bool IsSweep => Total > AtOnce || Ended > 0;
}

/// <summary>A Job's success policy, which may end it before all pieces have succeeded.</summary>
/// <param name="Needed">The number of successes still needed.</param>
/// <param name="Succeeded">The number of successes that counted so far.</param>
/// <param name="ToCome">The pieces that begin before the last needed one has ended. Null: any successes count.</param>
public sealed record EarlySuccess(int Needed, int Succeeded, int? ToCome = null);
