using Bursar.Core.Money;
using Bursar.Kubernetes.Attributes;
using Bursar.Kubernetes.KubeOps;

namespace Bursar.Api;

/// <summary>
/// A scaler as its owner writes it, with KEDA's names. Values stay text here; the operator makes Core's terms of them and names the path of
/// a field that cannot be read.
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
    [Description("What is scaled: an object of this namespace.")]
    public InferenceScalerTarget? ScaleTargetRef { get; set; }

    [RangeMinimum(1)]
    [RangeMaximum(3600)]
    [DefaultJson("30")]
    [Description(
        "Seconds between two questions to a Prometheus, and what a failure must last to count as another one for the fallback. What agents measure is seconds old whatever stands here."
    )]
    public int? PollingInterval { get; set; } = 30;

    [RangeMinimum(0)]
    [RangeMaximum(86400)]
    [DefaultJson("300")]
    [Description("Seconds from the last activity of a trigger to the step to zero, or to idleReplicaCount.")]
    public int? CooldownPeriod { get; set; } = 300;

    [RangeMinimum(0)]
    [RangeMaximum(86400)]
    [DefaultJson("0")]
    [Description("Seconds from the creation of this object to the first such step.")]
    public int? InitialCooldownPeriod { get; set; } = 0;

    [RangeMinimum(0)]
    [RangeMaximum(10000)]
    [Description("Replicas while no trigger is active, where that is less than minReplicaCount. Left out: minReplicaCount.")]
    public int? IdleReplicaCount { get; set; }

    [RangeMinimum(0)]
    [RangeMaximum(10000)]
    [DefaultJson("0")]
    [Description(
        "The fewest replicas. They are kept when the budget is used up, unless its inference.whenExhausted is Zero. With 0, the target goes to zero while no trigger is active."
    )]
    public int? MinReplicaCount { get; set; } = 0;

    [RangeMinimum(1)]
    [RangeMaximum(10000)]
    [DefaultJson("100")]
    [Description("The most replicas.")]
    public int? MaxReplicaCount { get; set; } = 100;

    [Description("What replaces a trigger without a value.")]
    public InferenceScalerFallback? Fallback { get; set; }

    [Description("How fast it scales, and triggers taken together.")]
    public InferenceScalerAdvanced? Advanced { get; set; }

    [Items(0, 16)]
    [Description(
        "What is measured. Of several triggers the one that asks for most replicas counts. Without any, it only caps what KEDA or a HorizontalPodAutoscaler scales."
    )]
    public IReadOnlyList<InferenceScalerTrigger>? Triggers { get; set; }

    [Description(
        "The budget that pays. Every enforcing budget that selects the target's pods caps it, named here or not; one that is named must be among them, else no replicas are added."
    )]
    public InferenceScalerBudgetRef? BudgetRef { get; set; }

    [Description("What the target may cost at most, whatever a budget has.")]
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
    [Description("The fallback begins when a trigger has failed more than this many pollingIntervals in a row.")]
    public int? FailureThreshold { get; set; }

    [Required]
    [RangeMinimum(0)]
    [RangeMaximum(10000)]
    [Description("The replicas that such a trigger then asks for. 0 never takes the last replica away: an outage is no lack of demand.")]
    public int? Replicas { get; set; }

    [AllowedValues("static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower", "scalingModifiers")]
    [DefaultJson("\"static\"")]
    [Description(
        "static: `replicas`. currentReplicas: as many as there are. currentReplicasIfHigher, currentReplicasIfLower: as many as there are where that is more, or less, than `replicas`. scalingModifiers: the trigger is nil to the formula."
    )]
    public string? Behavior { get; set; } = "static";
}

public sealed class InferenceScalerAdvanced
{
    [Description("As in a HorizontalPodAutoscaler.")]
    public InferenceScalerHpaConfig? HorizontalPodAutoscalerConfig { get; set; }

    [Description("One metric made of all triggers.")]
    public InferenceScalerModifiers? ScalingModifiers { get; set; }
}

public sealed class InferenceScalerHpaConfig
{
    [Description("How fast each direction may go: autoscaling/v2's behavior, with its defaults.")]
    public InferenceScalerBehavior? Behavior { get; set; }
}

public sealed class InferenceScalerBehavior
{
    [Description("Left out: at once, by 4 replicas or 100 percent in 15 seconds, whichever is more.")]
    public InferenceScalerRules? ScaleUp { get; set; }

    [Description("Left out: to the highest recommendation of the last 300 seconds, by any number at once.")]
    public InferenceScalerRules? ScaleDown { get; set; }
}

public sealed class InferenceScalerRules
{
    [RangeMinimum(0)]
    [RangeMaximum(3600)]
    [Description("Seconds over which recommendations are looked at: the lowest counts when scaling up, the highest when scaling down.")]
    public int? StabilizationWindowSeconds { get; set; }

    [AllowedValues("Max", "Min", "Disabled")]
    [Description("Which of several policies counts: the one that changes most (Max) or least (Min). Disabled: this direction is closed.")]
    public string? SelectPolicy { get; set; }

    [Items(0, 16)]
    [Description("Each says how far it may go in how much time.")]
    public IReadOnlyList<InferenceScalerPolicy>? Policies { get; set; }

    [IntOrString]
    [RangeMinimum(0)]
    [RangeMaximum(10)]
    [Length(1, 16)]
    [Pattern(@"^([0-9]+(\.[0-9]+)?|[0-9]+m)$")]
    [Description("How far the ratio of measured to target may be from one without a change, as a quantity such as \"0.1\" or \"50m\".")]
    public string? Tolerance { get; set; }
}

public sealed class InferenceScalerPolicy
{
    [Required]
    [AllowedValues("Pods", "Percent")]
    [Description("Pods: a number of replicas. Percent: of those at the period's begin.")]
    public string? Type { get; set; }

    [Required]
    [RangeMinimum(1)]
    [RangeMaximum(1000000)]
    [Description("How many.")]
    public int? Value { get; set; }

    [Required]
    [RangeMinimum(1)]
    [RangeMaximum(1800)]
    [Description("In how many seconds.")]
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
    [Description("The target of what the formula gives.")]
    public string? Target { get; set; }

    [IntOrString]
    [RangeMinimum(0)]
    [RangeMaximum(999_999_999_999)]
    [Length(1, 22)]
    [Pattern(DecimalText.Pattern)]
    [Description("Above this it is active. Left out: 0.")]
    public string? ActivationTarget { get; set; }

    [AllowedValues("AverageValue", "Value")]
    [DefaultJson("\"AverageValue\"")]
    [Description("AverageValue: the figure is shared by the replicas. Value: it is what it is however many there are.")]
    public string? MetricType { get; set; } = "AverageValue";
}

public sealed class InferenceScalerTrigger
{
    [Required]
    [AllowedValues("tokens", "queue", "kv-cache", "gpu-utilization", "latency", "prometheus", "cron")]
    [Description(
        "tokens: tokens per second and replica. queue: requests that wait, per replica. kv-cache, gpu-utilization: percent. latency: seconds at a percentile. prometheus: a query. cron: a time of day."
    )]
    public string? Type { get; set; }

    [Length(1, 63)]
    [Pattern("^[A-Za-z_][A-Za-z0-9_-]*$")]
    [Description("Names the trigger, for the formula and the status.")]
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
    [Description(
        "Of prometheus alone. AverageValue: the figure is shared by the replicas, and is the default. Value: it is what it is however many there are."
    )]
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
    [Description("Its share of what the budget has for scaling, beside the other scalers of that budget.")]
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
    [Description("Money per hour for all replicas together, in the price book's currency.")]
    public string? PerHour { get; set; }
}
