namespace Bursar.Core.Forecast;

/// <summary>
/// Equal pieces of a workload, such as the completions of a Job: those that ended, those in flight and those to come.
/// At most <see cref="AtOnce"/> of them run at the same time.
/// </summary>
public sealed record Pieces
{
    /// <summary>Completions wanted in all.</summary>
    public required int Total { get; init; }

    /// <summary>Pieces that will not run again: succeeded, or failed for good.</summary>
    public int Ended { get; init; }

    /// <summary>The parallelism, whether or not so many pieces are left.</summary>
    public required int AtOnce { get; init; }

    /// <summary>GPUs of one piece.</summary>
    public int Gpus { get; init; } = 1;

    /// <summary>
    /// Billed time of pieces that ended, all attempts of a piece together. A sample where the cluster has deleted finished pods.
    /// </summary>
    public IReadOnlyList<TimeSpan> Finished { get; init; } = [];

    /// <summary>Billed time so far of the pieces that run now, earlier attempts of a piece included.</summary>
    public IReadOnlyList<TimeSpan> InFlight { get; init; } = [];

    /// <summary>Billed time of failed attempts that cannot be attributed to a piece, because the Job is not Indexed.</summary>
    public TimeSpan Retried { get; init; }

    /// <summary>How long the workload's pods have held GPUs so far; null while unknown. Used only where no finished pod is left.</summary>
    public TimeSpan? Held { get; init; }

    /// <summary>Pieces of a stage begin when those of all lower stages have ended.</summary>
    public int Stage { get; init; }

    /// <summary>These pieces do not decide when the work ends: they are stopped when the others of their stage have ended.</summary>
    public bool Follows { get; init; }

    /// <summary>The work ends with these pieces, whatever others there are: with the first such group, where there are several.</summary>
    public bool Suffices { get; init; }

    /// <summary>What ends the work before all pieces have ended; null where nothing does.</summary>
    public EarlySuccess? Success { get; init; }

    /// <summary>How many pieces run one after the other in all, at the parallelism of now.</summary>
    public static long WavesOf(IEnumerable<Pieces> groups) =>
        groups
            .Where(group => group.AtOnce > 0)
            .GroupBy(group => group.Stage)
            .Sum(stage => stage.Max(group => ((long)group.Total + group.AtOnce - 1) / group.AtOnce));

    /// <summary>Pieces that still have to end.</summary>
    public int Left => Math.Max(Math.Max(0, Total - Ended), InFlight.Count);

    /// <summary>Pieces that have not begun, or begin again after a failed attempt.</summary>
    public int ToCome => Left - InFlight.Count;

    /// <summary>The highest number of pieces that can run at the same time from now on, at least those that run now.</summary>
    public int Slots => Math.Max(InFlight.Count, Math.Min(AtOnce, Left));

    /// <summary>False for a gang: its pods begin and end together, so finished pods tell nothing of those that run.</summary>
    public bool IsSweep => Total > AtOnce || Ended > 0;
}

/// <summary>A success policy of a Job: it ends before all pieces have succeeded.</summary>
/// <param name="Needed">Successes still needed.</param>
/// <param name="Succeeded">Successes that counted so far.</param>
/// <param name="ToCome">Pieces that must begin until the last needed one has; null where any successes will do.</param>
public sealed record EarlySuccess(int Needed, int Succeeded, int? ToCome = null);
