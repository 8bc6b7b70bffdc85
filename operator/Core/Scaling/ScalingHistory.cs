namespace Bursar.Core.Scaling;

/// <summary>What was recommended and done, as long as a window or a policy looks back: an autoscaler's memory.</summary>
public sealed record ScalingHistory
{
    public static ScalingHistory Empty { get; } = new();

    /// <summary>What the metrics asked for, oldest first; of all of them those that a window can still ask for.</summary>
    public IReadOnlyList<Recommendation> Recommendations { get; init; } = [];

    /// <summary>Replicas that were added, in no order.</summary>
    public IReadOnlyList<ScaleChange> Added { get; init; } = [];

    /// <summary>Replicas that were taken, in no order.</summary>
    public IReadOnlyList<ScaleChange> Taken { get; init; } = [];

    /// <summary>After a scale call that was made.</summary>
    public ScalingHistory WithScaled(int from, int to, ScalingBehavior behavior, DateTimeOffset now) =>
        to > from ? this with { Added = With(Added, new(to - from, now), behavior.Up) }
        : to < from ? this with { Taken = With(Taken, new(from - to, now), behavior.Down) }
        : this;

    internal ScalingHistory WithRecommendation(int replicas, ScalingBehavior behavior, DateTimeOffset now)
    {
        var longest = TimeSpan.FromSeconds(Math.Max(behavior.Up.StabilizationWindowSeconds, behavior.Down.StabilizationWindowSeconds));
        // A window reaches back from now and asks for the highest and the lowest within: what later ones outdo both ways is never asked
        // for.
        var kept = new List<Recommendation> { new(replicas, now) };
        var (highest, lowest) = (replicas, replicas);
        for (var i = Recommendations.Count - 1; i >= 0; i--)
        {
            var one = Recommendations[i];
            if (now - one.At > longest || one.Replicas <= highest && one.Replicas >= lowest)
                continue;
            (highest, lowest) = (Math.Max(highest, one.Replicas), Math.Min(lowest, one.Replicas));
            kept.Add(one);
        }
        kept.Reverse();
        return this with { Recommendations = kept };
    }

    /// <summary>
    /// As Kubernetes keeps them: a new change takes the place of the latest one that its own direction's policies no longer look back to.
    /// The other direction's policies may look further back and still find the rest.
    /// </summary>
    private static ScaleChange[] With(IReadOnlyList<ScaleChange> changes, ScaleChange change, ScalingRules rules)
    {
        var longest = TimeSpan.FromSeconds(rules.Policies.Select(policy => policy.PeriodSeconds).DefaultIfEmpty(0).Max());
        for (var i = changes.Count - 1; i >= 0; i--)
        {
            if (change.At - changes[i].At <= longest)
                continue;
            ScaleChange[] replaced = [.. changes];
            replaced[i] = change;
            return replaced;
        }
        return [.. changes, change];
    }
}

public readonly record struct Recommendation(int Replicas, DateTimeOffset At);

public readonly record struct ScaleChange(int Replicas, DateTimeOffset At);
