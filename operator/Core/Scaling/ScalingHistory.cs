namespace Bursar.Core.Scaling;

/// <summary>The recommendations and changes that stabilization windows and policies still look back to.</summary>
public sealed record ScalingHistory
{
    public static ScalingHistory Empty { get; } = new();

    /// <summary>The recommendations, oldest first, limited to those that a window can still select.</summary>
    public IReadOnlyList<Recommendation> Recommendations { get; init; } = [];

    /// <summary>Added replicas, in no order.</summary>
    public IReadOnlyList<ScaleChange> Added { get; init; } = [];

    /// <summary>Removed replicas, in no order.</summary>
    public IReadOnlyList<ScaleChange> Taken { get; init; } = [];

    /// <summary>Records a scale call.</summary>
    public ScalingHistory WithScaled(int from, int to, ScalingBehavior behavior, DateTimeOffset now) =>
        to > from ? this with { Added = With(Added, new(to - from, now), behavior.Up) }
        : to < from ? this with { Taken = With(Taken, new(from - to, now), behavior.Down) }
        : this;

    internal ScalingHistory WithRecommendation(int replicas, ScalingBehavior behavior, DateTimeOffset now)
    {
        var longest = TimeSpan.FromSeconds(Math.Max(behavior.Up.StabilizationWindowSeconds, behavior.Down.StabilizationWindowSeconds));
        // A window selects the highest or the lowest recommendation since its start. One that later ones exceed in both directions is never
        // selected.
        var kept = new List<Recommendation> { new(replicas, now) };
        var (highest, lowest) = (replicas, replicas);
        for (var i = Recommendations.Count - 1; i >= 0; i--)
        {
            var recommendation = Recommendations[i];
            if (now - recommendation.At > longest || recommendation.Replicas <= highest && recommendation.Replicas >= lowest)
                continue;
            (highest, lowest) = (Math.Max(highest, recommendation.Replicas), Math.Min(lowest, recommendation.Replicas));
            kept.Add(recommendation);
        }
        kept.Reverse();
        return this with { Recommendations = kept };
    }

    /// <summary>
    /// As in Kubernetes, a new change replaces the latest one that the policies of its own direction no longer look back to. The policies
    /// of the other direction may look back further and still find the rest.
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
