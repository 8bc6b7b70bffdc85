namespace Bursar.Core.Scaling;

/// <summary>One metric's word: how many replicas, or why it has none.</summary>
public readonly record struct Proposal(int? Replicas, string Metric, string? Error = null);

/// <summary>What one look of an autoscaler comes to.</summary>
public sealed record HorizontalStep
{
    /// <summary>What the scale is to be set to.</summary>
    public required int Desired { get; init; }

    /// <summary>
    /// What the metrics ask for after the stabilisation windows and within minimum and maximum, however fast it may be reached; null where
    /// nothing asked.
    /// </summary>
    public int? Wanted { get; init; }

    /// <summary>The metric that asks for most; empty where none was asked.</summary>
    public string Metric { get; init; } = "";

    /// <summary>Why it is not what the metrics ask for: one of Kubernetes's own reasons; null where it is.</summary>
    public string? LimitedBy { get; init; }

    /// <summary>Why nothing could be computed; the replicas then stay.</summary>
    public string? Error { get; init; }

    public required ScalingHistory History { get; init; }
}

/// <summary>
/// Kubernetes's HorizontalPodAutoscaler as a pure function (pkg/controller/podautoscaler/horizontal.go): the highest proposal counts, no
/// scaling down while a metric is missing, then stabilisation windows, then policies, then minimum and maximum.
/// </summary>
public static class HorizontalScaler
{
    public const string ScaleUpStabilized = "ScaleUpStabilized";
    public const string ScaleDownStabilized = "ScaleDownStabilized";
    public const string ScaleUpLimit = "ScaleUpLimit";
    public const string ScaleDownLimit = "ScaleDownLimit";
    public const string TooManyReplicas = "TooManyReplicas";
    public const string TooFewReplicas = "TooFewReplicas";

    /// <param name="current">The replicas asked of the target now; not 0, for then an autoscaler is off.</param>
    /// <param name="min">At least 1.</param>
    /// <param name="max">At least <paramref name="min"/>.</param>
    /// <param name="proposals">Of all metrics.</param>
    /// <param name="behavior">Windows and policies.</param>
    /// <param name="history">Of earlier looks.</param>
    /// <param name="now">Now.</param>
    public static HorizontalStep Step(
        int current,
        int min,
        int max,
        IReadOnlyList<Proposal> proposals,
        ScalingBehavior behavior,
        ScalingHistory history,
        DateTimeOffset now
    )
    {
        // What it finds counts as recommended: a restart must not take away at once what a window would have kept.
        if (history.Recommendations.Count == 0)
            history = history with { Recommendations = [new(current, now)] };
        if (current > max)
            return new()
            {
                Desired = max,
                LimitedBy = TooManyReplicas,
                History = history,
            };
        if (current < min)
            return new()
            {
                Desired = min,
                LimitedBy = TooFewReplicas,
                History = history,
            };

        var (asked, metric) = (0, "");
        foreach (var proposal in proposals)
            if (proposal.Replicas is { } replicas && (asked == 0 || replicas > asked))
                (asked, metric) = (replicas, proposal.Metric);
        var wrong = proposals.Where(proposal => proposal.Replicas is null).ToArray();
        if (wrong.Length > 0 && (wrong.Length == proposals.Count || asked < current))
            return new()
            {
                Desired = current,
                Error = $"{wrong[0].Metric}: {wrong[0].Error}",
                History = history,
            };

        var (stable, why) = Stabilize(current, asked, behavior, history, now);
        var (desired, limit) = Limit(current, stable, min, max, behavior, history, now);
        return new()
        {
            Desired = desired,
            Wanted = Math.Clamp(stable, min, max),
            Metric = metric,
            LimitedBy =
                desired != stable ? limit
                : stable != asked ? why
                : null,
            History = history.WithRecommendation(asked, behavior, now),
        };
    }

    private static (int Replicas, string Reason) Stabilize(
        int current,
        int asked,
        ScalingBehavior behavior,
        ScalingHistory history,
        DateTimeOffset now
    )
    {
        var (up, down) = (asked, asked);
        var upSince = now.AddSeconds(-behavior.Up.StabilizationWindowSeconds);
        var downSince = now.AddSeconds(-behavior.Down.StabilizationWindowSeconds);
        foreach (var one in history.Recommendations)
        {
            if (one.At > upSince)
                up = Math.Min(one.Replicas, up);
            if (one.At > downSince)
                down = Math.Max(one.Replicas, down);
        }
        var replicas = Math.Min(Math.Max(current, up), down);
        return (replicas, asked >= current ? ScaleUpStabilized : ScaleDownStabilized);
    }

    private static (int Replicas, string Reason) Limit(
        int current,
        int desired,
        int min,
        int max,
        ScalingBehavior behavior,
        ScalingHistory history,
        DateTimeOffset now
    )
    {
        if (desired > current)
        {
            var most = Math.Max(current, Furthest(current, behavior.Up, up: true, history, now));
            return most < max ? (Math.Min(desired, most), ScaleUpLimit) : (Math.Min(desired, max), TooManyReplicas);
        }
        if (desired < current)
        {
            var least = Math.Min(current, Furthest(current, behavior.Down, up: false, history, now));
            return least > min ? (Math.Max(desired, least), ScaleDownLimit) : (Math.Max(desired, min), TooFewReplicas);
        }
        return (desired, "");
    }

    /// <summary>How far the policies of a direction let it go, from what it was at each policy's period's begin.</summary>
    private static int Furthest(int current, ScalingRules rules, bool up, ScalingHistory history, DateTimeOffset now)
    {
        if (rules.SelectPolicy == ScalingPolicySelect.Disabled)
            return current;
        int? furthest = null;
        foreach (var policy in rules.Policies)
        {
            var since = now.AddSeconds(-policy.PeriodSeconds);
            var begin = current - Changed(history.Added, since) + Changed(history.Taken, since);
            var sign = up ? 1 : -1;
            var reach =
                policy.Type == ScalingPolicyType.Pods ? begin + sign * policy.Value
                // Up is rounded up and down is cut: a small percentage must not stand still.
                : up ? (int)Math.Ceiling(begin * (1 + policy.Value / 100d))
                : (int)(begin * (1 - policy.Value / 100d));
            furthest =
                furthest is not { } known ? reach
                : up == (rules.SelectPolicy == ScalingPolicySelect.Max) ? Math.Max(known, reach)
                : Math.Min(known, reach);
        }
        return furthest ?? current;
    }

    private static int Changed(IReadOnlyList<ScaleChange> changes, DateTimeOffset since)
    {
        var sum = 0;
        foreach (var one in changes)
            if (one.At > since)
                sum += one.Replicas;
        return sum;
    }
}
