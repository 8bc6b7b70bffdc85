using Bursar.Core.Money;

namespace Bursar.Core.Scaling;

/// <summary>The parsed and validated spec of an InferenceScaler, with defaults.</summary>
public sealed record ScalerTerms
{
    /// <summary>The minimum replicas (KEDA's minReplicaCount), which are kept regardless of cost.</summary>
    public int Min { get; init; }

    public int Max { get; init; } = 100;

    /// <summary>The replicas while no trigger is active, if fewer than <see cref="Min"/>.</summary>
    public int? Idle { get; init; }

    /// <summary>How long a failure lasts before it counts again, and how often Prometheus is queried.</summary>
    public TimeSpan PollingInterval { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>From the last activity to the scaling to zero or <see cref="Idle"/>.</summary>
    public TimeSpan Cooldown { get; init; } = TimeSpan.FromSeconds(300);

    /// <summary>From the scaler's creation to the first such step.</summary>
    public TimeSpan InitialCooldown { get; init; }

    public ScalingBehavior Behavior { get; init; } = ScalingBehavior.Default;

    public FallbackTerms? Fallback { get; init; }

    public ModifierTerms? Modifiers { get; init; }

    public required IReadOnlyList<TriggerTerms> Triggers { get; init; }

    /// <summary>The highest rate of all its replicas together.</summary>
    public HourlyCost? CostCap { get; init; }

    /// <summary>The budget that must select the target's pods.</summary>
    public string? Budget { get; init; }

    /// <summary>Its weight among the scalers that share a budget.</summary>
    public int Weight { get; init; } = 1;

    /// <summary>The replicas without demand.</summary>
    public int Rest => Idle ?? Min;
}

public enum TriggerType
{
    /// <summary>Tokens per second.</summary>
    Tokens,

    /// <summary>Queued requests.</summary>
    Queue,

    /// <summary>Percent of the KV cache in use.</summary>
    KvCache,

    /// <summary>Percent of the time in which a kernel ran.</summary>
    GpuUtilization,

    /// <summary>Seconds at a percentile.</summary>
    Latency,

    /// <summary>The result of a Prometheus query.</summary>
    Prometheus,

    /// <summary>A schedule.</summary>
    Cron,
}

public enum TriggerMetricType
{
    AverageValue,
    Value,
}

/// <summary>One trigger: what is measured, the target per replica, and the activation threshold.</summary>
public sealed record TriggerTerms
{
    /// <summary>Its own name, otherwise <c>s&lt;index&gt;-&lt;type&gt;</c> like KEDA's metric names.</summary>
    public required string Name { get; init; }

    public required TriggerType Type { get; init; }

    public required double Target { get; init; }

    public double Activation { get; init; }

    public TriggerMetricType MetricType { get; init; }

    /// <summary>The spec's metadata, which say how it is measured.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>
    /// Whether it is measured in the replicas themselves. It cannot scale up from zero, because nothing can be measured there.
    /// </summary>
    public bool IsOfReplicas => Type is not (TriggerType.Prometheus or TriggerType.Cron);

    /// <summary>Whether each replica has its own value and the average counts. A latency combines all requests.</summary>
    public bool IsPerReplica => IsOfReplicas && Type != TriggerType.Latency;

    /// <summary>Whether the values of replicas are summed, as for tokens and requests, and not averaged.</summary>
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

/// <summary>KEDA's fallback: the value of a trigger that has failed in more than a number of polls in a row.</summary>
public sealed record FallbackTerms(int FailureThreshold, int Replicas, FallbackBehavior Behavior);

/// <summary>KEDA's scalingModifiers: one metric computed from the values of all triggers.</summary>
public sealed record ModifierTerms(Formula Formula, double Target, double Activation, TriggerMetricType MetricType);
