namespace Bursar.Core.Ledger;

/// <summary>What is known of the end of a pod that is over, or whose object is gone. A null time is a fact that is not known.</summary>
public sealed record PodEndFacts
{
    public required DateTimeOffset ScheduledAt { get; init; }

    /// <summary>One for each container that was started; null for a container whose end is not known.</summary>
    public IReadOnlyList<DateTimeOffset?> ContainerEnds { get; init; } = [];

    /// <summary>The kubelet refused the pod: no container was ever started.</summary>
    public DateTimeOffset? RefusedAt { get; init; }

    /// <summary>Times at which the pod was seen to be ending: readiness lost, a disruption begun, the sandbox removed.</summary>
    public IReadOnlyList<DateTimeOffset> EndTimes { get; init; } = [];

    /// <summary>The deletion timestamp, which includes the termination grace.</summary>
    public DateTimeOffset? DeletionDeadline { get; init; }

    /// <summary>
    /// When the pod was last known to run: by the operator, or by its own object's start of a container. Null if nothing tells.
    /// </summary>
    public DateTimeOffset? LastSeenAt { get; init; }

    /// <summary>
    /// Times by which the pod cannot have run any more: its owner ended, was suspended or started anew, its node was removed, its name
    /// was given to another pod. Those before the pod's beginning are ignored.
    /// </summary>
    public IReadOnlyList<DateTimeOffset> Bounds { get; init; } = [];

    /// <summary>When the pod was observed to be over or gone.</summary>
    public required DateTimeOffset ObservedAt { get; init; }
}

/// <summary>
/// The earliest and the latest moment at which a pod can have ended. The pod is billed up to <see cref="NotAfter"/>; if another pod
/// held the same devices meanwhile, the ledger lowers the end, at most to <see cref="NotBefore"/>.
/// </summary>
/// <param name="IsExact">The containers' own ends: no other fact changes them.</param>
public readonly record struct PodEnd(DateTimeOffset NotBefore, DateTimeOffset NotAfter, bool IsExact)
{
    /// <summary>A container that ended so long before its pod was scheduled carries no time, but the zero of some clock.</summary>
    private static readonly TimeSpan MostClockSkew = TimeSpan.FromMinutes(5);

    /// <summary>Bounds the end by all facts.</summary>
    public static PodEnd Of(PodEndFacts facts)
    {
        if (facts.RefusedAt is { } refused)
            return Exactly(Earlier(Later(refused, facts.ScheduledAt), facts.ObservedAt));

        var ends = facts.ContainerEnds.Select(end => end < facts.ScheduledAt - MostClockSkew ? null : end).ToArray();
        var ended = ends.Max();
        if (ended is { } last && !ends.Contains(null))
            return Exactly(Earlier(last, facts.ObservedAt));

        // An end that is not known may be any time up to the earliest of the other facts.
        var latest = facts.Bounds.Where(bound => bound > facts.ScheduledAt).Append(facts.ObservedAt).Min();
        DateTimeOffset? sign = facts.EndTimes.Count > 0 ? facts.EndTimes.Max() : null;
        if (sign <= facts.ScheduledAt)
            sign = null;
        var earliest = new[] { facts.ScheduledAt, ended, sign, facts.LastSeenAt }.Max()!.Value;
        // The sign itself is the end; without one, a pod that is being deleted is over by its deadline.
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
