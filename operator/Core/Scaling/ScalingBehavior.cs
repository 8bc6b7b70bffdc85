namespace Bursar.Core.Scaling;

public enum ScalingPolicyType
{
    /// <summary>A number of replicas per period.</summary>
    Pods,

    /// <summary>A percentage of the replicas at the start of the period.</summary>
    Percent,
}

public enum ScalingPolicySelect
{
    /// <summary>The policy that changes most.</summary>
    Max,

    /// <summary>The policy that changes least.</summary>
    Min,

    /// <summary>No change in this direction.</summary>
    Disabled,
}

public sealed record ScalingPolicy(ScalingPolicyType Type, int Value, int PeriodSeconds);

/// <summary>The speed of one direction: <c>HPAScalingRules</c> of autoscaling/v2.</summary>
public sealed record ScalingRules
{
    public required int StabilizationWindowSeconds { get; init; }

    public ScalingPolicySelect SelectPolicy { get; init; } = ScalingPolicySelect.Max;

    public required IReadOnlyList<ScalingPolicy> Policies { get; init; }

    /// <summary>A ratio of measured to target this near to one changes nothing.</summary>
    public double Tolerance { get; init; } = 0.1;
}

/// <summary>The <c>behavior</c> of autoscaling/v2, with Kubernetes' defaults.</summary>
public sealed record ScalingBehavior(ScalingRules Up, ScalingRules Down)
{
    /// <summary>
    /// Up: at once, by 4 replicas or 100 percent in 15 seconds, whichever is more. Down: to the highest recommendation of five minutes.
    /// </summary>
    public static ScalingBehavior Default { get; } =
        new(
            new()
            {
                StabilizationWindowSeconds = 0,
                Policies = [new(ScalingPolicyType.Pods, 4, 15), new(ScalingPolicyType.Percent, 100, 15)],
            },
            new() { StabilizationWindowSeconds = 300, Policies = [new(ScalingPolicyType.Percent, 100, 15)] }
        );
}
