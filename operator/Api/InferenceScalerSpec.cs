using Bursar.Core.Money;
using Bursar.Kubernetes.Attributes;
using Bursar.Kubernetes.KubeOps;

namespace Bursar.Api;

/// <summary>
/// The spec of a scaler, with KEDA's names. Values are kept as text, and <see cref="InferenceScalerReader"/> converts them and names
/// invalid fields.
/// </summary>
[ValidationRule(
    "self.minReplicaCount <= self.maxReplicaCount",
    message: "minReplicaCount must not be above maxReplicaCount",
    fieldPath: ".minReplicaCount"
)]
[ValidationRule(
    "!has(self.idleReplicaCount) || self.idleReplicaCount < self.minReplicaCount",
    message: "idleReplicaCount must be below minReplicaCount",
    fieldPath: ".idleReplicaCount"
)]
[ValidationRule(
    "!has(self.fallback) || self.fallback.behavior != 'scalingModifiers' || (has(self.advanced) && has(self.advanced.scalingModifiers))",
    message: "behavior scalingModifiers needs advanced.scalingModifiers",
    fieldPath: ".fallback"
)]
public sealed class InferenceScalerSpec
{
    [Required]
    [Description("The target: an object of this namespace.")]
    public InferenceScalerTarget? ScaleTargetRef { get; set; }

    [RangeMinimum(1)]
    [RangeMaximum(3600)]
    [DefaultJson("30")]
    [Description(
        "Seconds between two Prometheus queries, and between the failures that the fallback counts. Values measured by agents are a few seconds old, independent of this field."
    )]
    public int? PollingInterval { get; set; } = 30;

    [RangeMinimum(0)]
    [RangeMaximum(86400)]
    [DefaultJson("300")]
    [Description("Seconds from the last activity of a trigger until the target is scaled to zero or to idleReplicaCount.")]
    public int? CooldownPeriod { get; set; } = 300;

    [RangeMinimum(0)]
    [RangeMaximum(86400)]
    [DefaultJson("0")]
    [Description("Seconds from the creation of this object until it is first scaled to zero or to idleReplicaCount.")]
    public int? InitialCooldownPeriod { get; set; } = 0;

    [RangeMinimum(0)]
    [RangeMaximum(10000)]
    [Description("The replicas while no trigger is active; less than minReplicaCount. Default: minReplicaCount.")]
    public int? IdleReplicaCount { get; set; }

    [RangeMinimum(0)]
    [RangeMaximum(10000)]
    [DefaultJson("0")]
    [Description(
        "The minimum number of replicas. It is kept when the budget is used up, unless the budget sets inference.whenExhausted: Zero. With 0, the target is scaled to zero while no trigger is active."
    )]
    public int? MinReplicaCount { get; set; } = 0;

    [RangeMinimum(1)]
    [RangeMaximum(10000)]
    [DefaultJson("100")]
    [Description("The maximum number of replicas.")]
    public int? MaxReplicaCount { get; set; } = 100;

    [Description("The replicas to use while a trigger has no value.")]
    public InferenceScalerFallback? Fallback { get; set; }

    [Description("Scaling speed, and one metric made of all triggers.")]
    public InferenceScalerAdvanced? Advanced { get; set; }

    [Items(0, 16)]
    [Description(
        "The metrics to scale on. The trigger that requests the most replicas applies. Without triggers, the scaler only limits what KEDA or a HorizontalPodAutoscaler scales."
    )]
    public IReadOnlyList<InferenceScalerTrigger>? Triggers { get; set; }

    [Description(
        "The budget whose limit applies. Every enforcing budget that selects the target's pods limits the replicas, with or without this reference. A budget named here must be one of them, otherwise no replicas are added."
    )]
    public InferenceScalerBudgetRef? BudgetRef { get; set; }

    [Description("The highest cost of the target, independent of budgets.")]
    public InferenceScalerCostCap? CostCap { get; set; }
}

public sealed class InferenceScalerTarget
{
    [Length(1, 128)]
    [Pattern("^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?v[0-9][a-z0-9]*$")]
    [DefaultJson("\"apps/v1\"")]
    [Description("The target's API version.")]
    public string? ApiVersion { get; set; } = "apps/v1";

    [Length(1, 63)]
    [Pattern("^[A-Z][A-Za-z0-9]*$")]
    [DefaultJson("\"Deployment\"")]
    [Description(
        "The target's kind: Deployment, StatefulSet, LeaderWorkerSet, Rollout, DynamoGraphDeploymentScalingAdapter or InferenceService."
    )]
    public string? Kind { get; set; } = "Deployment";

    [Required]
    [Length(1, 253)]
    [Description("The target's name.")]
    public string? Name { get; set; }
}

public sealed class InferenceScalerFallback
{
    [Required]
    [RangeMinimum(0)]
    [RangeMaximum(10000)]
    [Description("The fallback applies when a trigger has failed more than this number of consecutive pollingIntervals.")]
    public int? FailureThreshold { get; set; }

    [Required]
    [RangeMinimum(0)]
    [RangeMaximum(10000)]
    [Description(
        "The replicas that the failed trigger then requests. 0 never removes the last replica, because a failed trigger is not a lack of demand."
    )]
    public int? Replicas { get; set; }

    [AllowedValues("static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower", "scalingModifiers")]
    [DefaultJson("\"static\"")]
    [Description(
        "static: `replicas`. currentReplicas: the current number. currentReplicasIfHigher, currentReplicasIfLower: the current number if it is higher, or lower, than `replicas`. scalingModifiers: the trigger is nil in the formula."
    )]
    public string? Behavior { get; set; } = "static";
}

public sealed class InferenceScalerAdvanced
{
    [Description("The settings of a HorizontalPodAutoscaler.")]
    public InferenceScalerHpaConfig? HorizontalPodAutoscalerConfig { get; set; }

    [Description("One metric made of all triggers.")]
    public InferenceScalerModifiers? ScalingModifiers { get; set; }
}

public sealed class InferenceScalerHpaConfig
{
    [Description("The scaling speed in each direction: the behavior of autoscaling/v2, with its defaults.")]
    public InferenceScalerBehavior? Behavior { get; set; }
}

public sealed class InferenceScalerBehavior
{
    [Description("Scaling up. Default: immediately, by 4 replicas or 100 percent in 15 seconds, whichever is more.")]
    public InferenceScalerRules? ScaleUp { get; set; }

    [Description("Scaling down. Default: to the highest recommendation of the last 300 seconds, without a limit on the step.")]
    public InferenceScalerRules? ScaleDown { get; set; }
}

public sealed class InferenceScalerRules
{
    [RangeMinimum(0)]
    [RangeMaximum(3600)]
    [Description("Seconds of past recommendations to consider: the lowest applies when scaling up, the highest when scaling down.")]
    public int? StabilizationWindowSeconds { get; set; }

    [AllowedValues("Max", "Min", "Disabled")]
    [Description(
        "The policy that applies: the one with the largest change (Max) or the smallest (Min). Disabled: no scaling in this direction."
    )]
    public string? SelectPolicy { get; set; }

    [Items(0, 16)]
    [Description("Limits on the change within a period.")]
    public IReadOnlyList<InferenceScalerPolicy>? Policies { get; set; }

    [IntOrString]
    [RangeMinimum(0)]
    [RangeMaximum(10)]
    [Length(1, 16)]
    [Pattern(@"^([0-9]+(\.[0-9]+)?|[0-9]+m)$")]
    [Description("The deviation of the ratio of value to target from 1 that is ignored, as a quantity such as \"0.1\" or \"50m\".")]
    public string? Tolerance { get; set; }
}

public sealed class InferenceScalerPolicy
{
    [Required]
    [AllowedValues("Pods", "Percent")]
    [Description("Pods: a number of replicas. Percent: a percentage of the replicas at the start of the period.")]
    public string? Type { get; set; }

    [Required]
    [RangeMinimum(1)]
    [RangeMaximum(1000000)]
    [Description("The number of replicas, or the percentage.")]
    public int? Value { get; set; }

    [Required]
    [RangeMinimum(1)]
    [RangeMaximum(1800)]
    [Description("The period in seconds.")]
    public int? PeriodSeconds { get; set; }
}

public sealed class InferenceScalerModifiers
{
    [Required]
    [Length(1, 4096)]
    [Description(
        "A formula over the triggers' names, in KEDA's language: `(tokens + queue) / 2`, `queue > 2 ? queue : tokens`, `primary ?? secondary`."
    )]
    public string? Formula { get; set; }

    [Required]
    [IntOrString]
    [RangeMinimum(0)]
    [RangeMaximum(999_999_999_999)]
    [Length(1, 22)]
    [Pattern(DecimalText.Pattern)]
    [Description("The target of the formula's result.")]
    public string? Target { get; set; }

    [IntOrString]
    [RangeMinimum(0)]
    [RangeMaximum(999_999_999_999)]
    [Length(1, 22)]
    [Pattern(DecimalText.Pattern)]
    [Description("The scaler is active above this value. Default: 0.")]
    public string? ActivationTarget { get; set; }

    [AllowedValues("AverageValue", "Value")]
    [DefaultJson("\"AverageValue\"")]
    [Description("AverageValue: the value is divided by the number of replicas. Value: it is not.")]
    public string? MetricType { get; set; } = "AverageValue";
}

public sealed class InferenceScalerTrigger
{
    [Required]
    [AllowedValues("tokens", "queue", "kv-cache", "gpu-utilization", "latency", "prometheus", "cron")]
    [Description(
        "tokens: tokens per second and replica. queue: waiting requests per replica. kv-cache, gpu-utilization: percent. latency: seconds at a percentile. prometheus: a query. cron: a time of day."
    )]
    public string? Type { get; set; }

    [Length(1, 63)]
    [Pattern("^[A-Za-z_][A-Za-z0-9_-]*$")]
    [Description("The name of the trigger in the formula and the status.")]
    public string? Name { get; set; }

    [IntOrString]
    [Items(0, 16)]
    [ItemLength(0, 4096)]
    [Description(
        "tokens: generatedPerSecond or promptPerSecond. queue: waiting. kv-cache, gpu-utilization: percent. latency: metric (firstToken, betweenTokens, endToEnd), percentile (95), seconds. "
            + "prometheus: source, query, threshold, activationThreshold, ignoreNullValues, acceptPartialAnswer. cron: timezone, start, end, desiredReplicas. All that measure: activation, above which the trigger is active (0)."
    )]
    public IReadOnlyDictionary<string, string>? Metadata { get; set; }

    [AllowedValues("AverageValue", "Value")]
    [Description("For type prometheus only. AverageValue, the default: the value is divided by the number of replicas. Value: it is not.")]
    public string? MetricType { get; set; }
}

public sealed class InferenceScalerBudgetRef
{
    [Required]
    [Length(1, 253)]
    [Description("A GpuBudget of this namespace that selects the target's pods.")]
    public string? Name { get; set; }

    [RangeMinimum(1)]
    [RangeMaximum(1000)]
    [DefaultJson("1")]
    [Description("The share of the budget's affordable rate, in relation to the other scalers of that budget.")]
    public int? Weight { get; set; } = 1;
}

public sealed class InferenceScalerCostCap
{
    [Required]
    [IntOrString]
    [RangeMinimum(0)]
    [RangeMaximum(999_999_999_999)]
    [Length(1, 22)]
    [Pattern(DecimalText.Pattern)]
    [Description("The cost per hour of all replicas together, in the currency of the price book.")]
    public string? PerHour { get; set; }
}
