namespace Bursar.Core.Ledger;

/// <summary>The known facts about the end of a pod that is over or whose object is gone. A null time is unknown.</summary>
public sealed record PodEndFacts
{
    public required DateTimeOffset ScheduledAt { get; init; }

    /// <summary>One entry per started container. Null: its end is unknown.</summary>
    public IReadOnlyList<DateTimeOffset?> ContainerEnds { get; init; } = [];

    /// <summary>When the kubelet refused the pod. No container was started.</summary>
    public DateTimeOffset? RefusedAt { get; init; }

    /// <summary>Times at which the pod was seen to be ending: readiness lost, a disruption begun, the sandbox removed.</summary>
    public IReadOnlyList<DateTimeOffset> EndTimes { get; init; } = [];

    /// <summary>The deletion timestamp, which includes the termination grace.</summary>
    public DateTimeOffset? DeletionDeadline { get; init; }

    /// <summary>When the pod was last known to run, by the operator or by the start of a container. Null: unknown.</summary>
    public DateTimeOffset? LastSeenAt { get; init; }

    /// <summary>
    /// Times by which the pod must have ended: its owner ended, was suspended or restarted, its node was removed, or another pod has its
    /// name. Times before its start are ignored.
    /// </summary>
    public IReadOnlyList<DateTimeOffset> Bounds { get; init; } = [];

    /// <summary>When the pod was observed to be over or gone.</summary>
    public required DateTimeOffset ObservedAt { get; init; }
}

/// <summary>
/// The earliest and the latest time at which a pod can have ended. It is billed up to <see cref="NotAfter"/>. If another pod had the same
/// devices meanwhile, the ledger lowers the end, at most to <see cref="NotBefore"/>.
/// </summary>
/// <param name="IsExact">The end is that of the containers, which no other fact changes.</param>
public readonly record struct PodEnd(DateTimeOffset NotBefore, DateTimeOffset NotAfter, bool IsExact)
{
    /// <summary>A container end further than this before the schedule time is a zero value, not a time.</summary>
    private static readonly TimeSpan MostClockSkew = TimeSpan.FromMinutes(5);

    /// <summary>Derives the bounds from all facts.</summary>
    public static PodEnd From(PodEndFacts facts)
    {
        if (facts.RefusedAt is { } refused)
            return Exactly(Earlier(Later(refused, facts.ScheduledAt), facts.ObservedAt));

        var ends = facts.ContainerEnds.Select(end => end < facts.ScheduledAt - MostClockSkew ? null : end).ToArray();
        var ended = ends.Max();
        if (ended is { } last && !ends.Contains(null))
            return Exactly(Earlier(last, facts.ObservedAt));

        // An unknown end may be at any time up to the earliest of the other facts.
        var latest = facts.Bounds.Where(bound => bound > facts.ScheduledAt).Append(facts.ObservedAt).Min();
        DateTimeOffset? sign = facts.EndTimes.Count > 0 ? facts.EndTimes.Max() : null;
        if (sign <= facts.ScheduledAt)
            sign = null;
        var earliest = new[] { facts.ScheduledAt, ended, sign, facts.LastSeenAt }.Max()!.Value;
        // The last sign of ending is the end. Without one, a pod that is being deleted is over by its deadline.
        if (sign is not null)
            latest = Earlier(latest, earliest);
        else if (facts.DeletionDeadline is { } deadline)
            latest = Earlier(latest, Later(deadline, earliest));
        return new(Earlier(earliest, latest), latest, IsExact: false);
    }

    private static PodEnd Exactly(DateTimeOffset at) => new(at, at, IsExact: true);

    private static DateTimeOffset Earlier(DateTimeOffset left, DateTimeOffset right) => left < right ? left : right;

    private static DateTimeOffset Later(DateTimeOffset left, DateTimeOffset right) => left > right ? left : right;
}
