using Bursar.Core.Money;

namespace Bursar.Core.Scaling;

/// <summary>An InferenceScaler's spec in the terms of a decision: parsed, validated, defaults filled in.</summary>
public sealed record ScalerTerms
{
    /// <summary>KEDA's minReplicaCount: the floor, which money does not take either.</summary>
    public int Min { get; init; }

    public int Max { get; init; } = 100;

    /// <summary>What is left while no trigger is active, where that is less than <see cref="Min"/>.</summary>
    public int? Idle { get; init; }

    /// <summary>How long a failure must last to count as another one, and how often a Prometheus is asked.</summary>
    public TimeSpan PollingInterval { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>From the last activity to the step to zero, or to <see cref="Idle"/>.</summary>
    public TimeSpan Cooldown { get; init; } = TimeSpan.FromSeconds(300);

    /// <summary>From the scaler's creation to the first such step.</summary>
    public TimeSpan InitialCooldown { get; init; }

    public ScalingBehavior Behavior { get; init; } = ScalingBehavior.Default;

    public FallbackTerms? Fallback { get; init; }

    public ModifierTerms? Modifiers { get; init; }

    public required IReadOnlyList<TriggerTerms> Triggers { get; init; }

    /// <summary>What all its replicas together may cost per hour.</summary>
    public HourlyCost? CostCap { get; init; }

    /// <summary>The budget that must select the target's pods.</summary>
    public string? Budget { get; init; }

    /// <summary>Its share of what a budget has for scaling, beside other scalers'.</summary>
    public int Weight { get; init; } = 1;

    /// <summary>What is left when nothing is asked of it.</summary>
    public int Rest => Idle ?? Min;
}

public enum TriggerType
{
    /// <summary>Tokens a second.</summary>
    Tokens,

    /// <summary>Requests that wait.</summary>
    Queue,

    /// <summary>Percent of the KV cache in use.</summary>
    KvCache,

    /// <summary>Percent of the time in which a kernel ran.</summary>
    GpuUtilization,

    /// <summary>Seconds, at a percentile.</summary>
    Latency,

    /// <summary>What a Prometheus answers.</summary>
    Prometheus,

    /// <summary>A time of day.</summary>
    Cron,
}

public enum TriggerMetricType
{
    AverageValue,
    Value,
}

/// <summary>One trigger: what is measured, the target per replica, and above what it is active.</summary>
public sealed record TriggerTerms
{
    /// <summary>Its own name, else <c>s&lt;index&gt;-&lt;type&gt;</c>, as KEDA calls a metric.</summary>
    public required string Name { get; init; }

    public required TriggerType Type { get; init; }

    public required double Target { get; init; }

    public double Activation { get; init; }

    public TriggerMetricType MetricType { get; init; }

    /// <summary>What tells how it is measured: the spec's metadata.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Measured in the replicas themselves: without any there is nothing to measure, so it wakes nobody.</summary>
    public bool IsOfReplicas => Type is not (TriggerType.Prometheus or TriggerType.Cron);

    /// <summary>Each replica has a value of its own, and the average counts. A latency is one of all requests together.</summary>
    public bool IsPerReplica => IsOfReplicas && Type != TriggerType.Latency;

    /// <summary>What the replicas' values make together: tokens and requests add up, shares of something do not.</summary>
    public bool AddsUp => Type is TriggerType.Tokens or TriggerType.Queue;
}

public enum FallbackBehavior
{
    Static,
    CurrentReplicas,
    CurrentReplicasIfHigher,
    CurrentReplicasIfLower,
    ScalingModifiers,
}

/// <summary>KEDA's fallback: for what a trigger counts that has failed more than so many polls in a row.</summary>
public sealed record FallbackTerms(int FailureThreshold, int Replicas, FallbackBehavior Behavior);

/// <summary>KEDA's scalingModifiers: one metric made of all triggers' values.</summary>
public sealed record ModifierTerms(Formula Formula, double Target, double Activation, TriggerMetricType MetricType);
