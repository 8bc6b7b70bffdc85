namespace Bursar.Core.Scaling;

/// <summary>What was recommended and done, as long as a window or a policy looks back: an autoscaler's memory.</summary>
public sealed record ScalingHistory
{
    public static ScalingHistory Empty { get; } = new();

    /// <summary>What the metrics asked for, oldest first.</summary>
    public IReadOnlyList<Recommendation> Recommendations { get; init; } = [];

    /// <summary>Replicas that were added, oldest first.</summary>
    public IReadOnlyList<ScaleChange> Added { get; init; } = [];

    /// <summary>Replicas that were taken, oldest first.</summary>
    public IReadOnlyList<ScaleChange> Taken { get; init; } = [];

    /// <summary>After a scale call that was made.</summary>
    public ScalingHistory WithScaled(int from, int to, ScalingBehavior behavior, DateTimeOffset now) =>
        to > from ? this with { Added = [.. Kept(Added, behavior.Up, now), new(to - from, now)] }
        : to < from ? this with { Taken = [.. Kept(Taken, behavior.Down, now), new(from - to, now)] }
        : this;

    internal ScalingHistory WithRecommendation(int replicas, ScalingBehavior behavior, DateTimeOffset now)
    {
        var longest = TimeSpan.FromSeconds(Math.Max(behavior.Up.StabilizationWindowSeconds, behavior.Down.StabilizationWindowSeconds));
        // Of equal ones in a row the first and the last tell all: a window asks for the highest and the lowest within.
        var kept = Recommendations.Where(one => now - one.At <= longest).ToList();
        if (kept.Count >= 2 && kept[^1].Replicas == replicas && kept[^2].Replicas == replicas) kept.RemoveAt(kept.Count - 1);
        kept.Add(new(replicas, now));
        return this with { Recommendations = kept };
    }

    private static IEnumerable<ScaleChange> Kept(IReadOnlyList<ScaleChange> changes, ScalingRules rules, DateTimeOffset now)
    {
        var longest = TimeSpan.FromSeconds(rules.Policies.Select(policy => policy.PeriodSeconds).DefaultIfEmpty(0).Max());
        return changes.Where(one => now - one.At <= longest);
    }
}

public readonly record struct Recommendation(int Replicas, DateTimeOffset At);

public readonly record struct ScaleChange(int Replicas, DateTimeOffset At);
