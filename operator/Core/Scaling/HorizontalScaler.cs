namespace Bursar.Core.Scaling;

/// <summary>The replicas that one metric asks for, or why it has no value.</summary>
public readonly record struct Proposal(int? Replicas, string Metric, string? Error = null);

/// <summary>The result of one evaluation of an autoscaler.</summary>
public sealed record HorizontalStep
{
    /// <summary>The replicas to set.</summary>
    public required int Desired { get; init; }

    /// <summary>
    /// The replicas that the metrics ask for after stabilization and within minimum and maximum, regardless of scaling policies. Null: no
    /// metric asks.
    /// </summary>
    public int? Wanted { get; init; }

    /// <summary>The metric that asks for the most replicas. Empty: none does.</summary>
    public string Metric { get; init; } = "";

    /// <summary>The HPA reason why the result differs from the metrics. Null: it does not.</summary>
    public string? LimitedBy { get; init; }

    /// <summary>Why nothing could be computed. The replicas stay.</summary>
    public string? Error { get; init; }

    public required ScalingHistory History { get; init; }
}

/// <summary>
/// Kubernetes' HorizontalPodAutoscaler as a pure function (pkg/controller/podautoscaler/horizontal.go). The highest proposal counts, and
/// nothing is scaled down while a metric is missing. Then stabilization windows, policies, and minimum and maximum apply.
/// </summary>
public static class HorizontalScaler
{
    public const string ScaleUpStabilized = "ScaleUpStabilized";
    public const string ScaleDownStabilized = "ScaleDownStabilized";
    public const string ScaleUpLimit = "ScaleUpLimit";
    public const string ScaleDownLimit = "ScaleDownLimit";
    public const string TooManyReplicas = "TooManyReplicas";
    public const string TooFewReplicas = "TooFewReplicas";

    /// <param name="current">The present replicas of the target. Not 0, because that turns an autoscaler off.</param>
    /// <param name="min">At least 1.</param>
    /// <param name="max">At least <paramref name="min"/>.</param>
    /// <param name="proposals">The proposals of all metrics.</param>
    /// <param name="history">The history of earlier evaluations.</param>
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
        // The present replicas count as a recommendation, so that a restart does not remove at once what a window would have kept.
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

        var (proposed, metric) = (0, "");
        foreach (var proposal in proposals)
            if (proposal.Replicas is { } replicas && (proposed == 0 || replicas > proposed))
                (proposed, metric) = (replicas, proposal.Metric);
        var wrong = proposals.Where(proposal => proposal.Replicas is null).ToArray();
        if (wrong.Length > 0 && (wrong.Length == proposals.Count || proposed < current))
            return new()
            {
                Desired = current,
                Error = $"{wrong[0].Metric}: {wrong[0].Error}",
                History = history,
            };

        var (stable, why) = Stabilize(current, proposed, behavior, history, now);
        var (desired, limit) = Limit(current, stable, min, max, behavior, history, now);
        return new()
        {
            Desired = desired,
            Wanted = Math.Clamp(stable, min, max),
            Metric = metric,
            LimitedBy =
                desired != stable ? limit
                : stable != proposed ? why
                : null,
            History = history.WithRecommendation(proposed, behavior, now),
        };
    }

    private static (int Replicas, string Reason) Stabilize(
        int current,
        int proposed,
        ScalingBehavior behavior,
        ScalingHistory history,
        DateTimeOffset now
    )
    {
        var (up, down) = (proposed, proposed);
        var upSince = now.AddSeconds(-behavior.Up.StabilizationWindowSeconds);
        var downSince = now.AddSeconds(-behavior.Down.StabilizationWindowSeconds);
        foreach (var recommendation in history.Recommendations)
        {
            if (recommendation.At > upSince)
                up = Math.Min(recommendation.Replicas, up);
            if (recommendation.At > downSince)
                down = Math.Max(recommendation.Replicas, down);
        }
        var replicas = Math.Min(Math.Max(current, up), down);
        return (replicas, proposed >= current ? ScaleUpStabilized : ScaleDownStabilized);
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

    /// <summary>
    /// Returns how far the policies of a direction allow the target to scale, from its replicas at the start of each policy's period.
    /// </summary>
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
                // Scaling up is rounded up and scaling down is truncated, so that a small percentage has an effect.
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
        foreach (var change in changes)
            if (change.At > since)
                sum += change.Replicas;
        return sum;
    }
}
