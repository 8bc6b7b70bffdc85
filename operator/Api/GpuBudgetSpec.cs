using Bursar.Core.Money;
using Bursar.Core.Text;
using Bursar.Kubernetes.Attributes;
using Bursar.Kubernetes.KubeOps;

namespace Bursar.Api;

/// <summary>
/// The spec of a budget. Values are kept as text, and <see cref="GpuBudgetReader"/> converts them and names invalid fields. So an invalid
/// budget does not prevent the others from being decoded.
/// </summary>
[ValidationRule(
    "!has(self.topUps) || self.topUps.all(t, "
        + "self.window.period == 'Hour' ? t.window.matches('^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}([+-][0-9]{2}:[0-9]{2})?$') : "
        + "self.window.period == 'Day' ? t.window.matches('^[0-9]{4}-[0-9]{2}-[0-9]{2}$') : "
        + "self.window.period == 'Week' ? t.window.matches('^[0-9]{4}-W[0-9]{2}$') : "
        + "self.window.period == 'Month' ? t.window.matches('^[0-9]{4}-[0-9]{2}$') : "
        + "self.window.period == 'Quarter' ? t.window.matches('^[0-9]{4}-Q[1-4]$') : "
        + "self.window.period == 'Year' ? t.window.matches('^[0-9]{4}$') : "
        + "self.window.period == 'Rolling' ? t.window == 'rolling' : t.window == 'once')",
    message: "the window of a top-up is written 2026-11-21T10 for Hour, 2026-11-21 for Day, 2026-W47 for Week, 2026-11 for Month, "
        + "2026-Q4 for Quarter, 2026 for Year, rolling for Rolling, once for Once",
    fieldPath: ".topUps"
)]
[ValidationRule(
    "!has(self.rollover) || !(self.window.period in ['Rolling', 'Once'])",
    message: "rollover needs windows that follow each other: Hour, Day, Week, Month, Quarter or Year",
    fieldPath: ".rollover"
)]
[ValidationRule(
    "self.window.period != 'Rolling' || "
        + "!(has(self.limit.energyKWh) || has(self.limit.co2eKg) || has(self.limit.tokens)) && "
        + "(!has(self.perLabel) || !(has(self.perLabel.limit.energyKWh) || has(self.perLabel.limit.co2eKg) || has(self.perLabel.limit.tokens)))",
    message: "a Rolling window has no fixed start, so it cannot limit energyKWh, co2eKg or tokens",
    fieldPath: ".window.period"
)]
[ValidationRule(
    "!has(self.borrowing) && !has(self.lending) || !(self.window.period in ['Rolling', 'Once'])",
    message: "borrowing and lending need windows that follow each other: Hour, Day, Week, Month, Quarter or Year",
    fieldPath: ".window"
)]
public class GpuBudgetSpec
{
    [Required]
    [Description(
        "The amounts that may be used in one window. All that are set apply. The first of cost, gpuHours, energyKWh, co2eKg and tokens that is set is the budget's own: the amounts in the status and the top-ups are in its unit. The others are limits inside the budget."
    )]
    public GpuBudgetLimit? Limit { get; set; }

    [Items(0, 16)]
    [ListType("map", "name")]
    [Description(
        "Further limits inside the budget, each on the GPUs of some products or capacity types. A workload runs while it fits all of them."
    )]
    public IReadOnlyList<GpuBudgetPartialLimit>? Limits { get; set; }

    [Description(
        "A limit for each value of a label on the pod template, for example for each user. Workloads without the label have no such limit."
    )]
    public GpuBudgetPerLabel? PerLabel { get; set; }

    [Items(0, 100)]
    [Description("Additions to the limit, each for one window only.")]
    public IReadOnlyList<GpuBudgetTopUp>? TopUps { get; set; }

    [Description("Carries unspent budget into the next window. Default: nothing is carried over.")]
    public GpuBudgetRollover? Rollover { get; set; }

    [Description(
        "Lets the budget use unspent money of other budgets that lend, if one ClusterGpuBudget selects all workloads of both. It repays from its next window. Default: it does not borrow."
    )]
    public GpuBudgetBorrowing? Borrowing { get; set; }

    [Description("Lets other budgets under the same ClusterGpuBudget use what this budget does not need. Default: it lends nothing.")]
    public GpuBudgetLending? Lending { get; set; }

    [Description("Approves small GpuBudgetRequests without a user. Default: a user approves each request.")]
    public GpuBudgetAutoApprove? AutoApprove { get; set; }

    // Complete, because the API server validates the default before it applies the inner defaults.
    [DefaultJson("""{"period": "Month", "timeZone": "UTC"}""")]
    [Description("The period of the limit. Spending starts at zero in each window.")]
    public GpuBudgetWindow? Window { get; set; } = new();

    [Description(
        "The workloads that count, matched against the labels of the top-level workload's pod template (of a bare pod: its own labels). Default: all GPU workloads of the namespace."
    )]
    public WorkloadSelector? Selector { get; set; }

    [Description("Workloads that are counted and never suspended, matched like the selector. Default: none. An empty selector is refused.")]
    [ValidationRule(
        "(has(self.matchLabels) && size(self.matchLabels) > 0) || (has(self.matchExpressions) && size(self.matchExpressions) > 0)",
        message: "an empty selector here would exempt all workloads; use mode: Observe for that"
    )]
    public WorkloadSelector? Exempt { get; set; }

    [AllowedValues("Enforce", "Observe")]
    [DefaultJson("\"Enforce\"")]
    [Description("Enforce: suspend and resume workloads. Observe: report the same decisions without changing anything.")]
    public string? Mode { get; set; } = "Enforce";

    [Items(0, 10)]
    [ListType("set")]
    [ItemRange(1, 1000)]
    [DefaultJson("[50, 80, 100]")]
    [Description("Percentages of the limit. An Event is published when spent or projected cost reaches one, once per window.")]
    public IReadOnlyList<int>? Thresholds { get; set; } = [50, 80, 100];

    [DefaultJson("{}")]
    [Description("How training workloads are kept within the limit.")]
    public GpuBudgetTraining? Training { get; set; } = new();

    [DefaultJson("{}")]
    [Description("How inference workloads are kept within the limit.")]
    public GpuBudgetInference? Inference { get; set; } = new();

    [DefaultJson("{}")]
    [Description("How workloads that Bursar cannot suspend are kept within the limit.")]
    public GpuBudgetInteractive? Interactive { get; set; } = new();

    [Description("What to do with workloads whose GPUs are idle. Default: nothing; {} reports them.")]
    public GpuBudgetIdle? Idle { get; set; }

    [Description(
        "Writes the annotations bursar.dev/cost and bursar.dev/projected-cost on the jobs of the budget, such as \"12.34 USD\": what each has cost in this window, and the expected cost of its run. At most every five minutes. Only kinds with a suspend field are annotated. Default: false."
    )]
    public bool? CostAnnotations { get; set; }
}

/// <summary>The spec of a budget of several namespaces.</summary>
[ValidationRule(
    "has(self.namespaces) || has(self.namespaceSelector)",
    message: "name the namespaces, or set a namespaceSelector; an empty selector covers all namespaces",
    fieldPath: ".namespaces"
)]
public sealed class ClusterGpuBudgetSpec : GpuBudgetSpec
{
    [Items(0, 1000)]
    [ListType("set")]
    [ItemLength(1, 63)]
    [ItemPattern("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    [Description(
        "The names of namespaces that this budget covers, in addition to those that the selector matches. They need not exist yet."
    )]
    public IReadOnlyList<string>? Namespaces { get; set; }

    [Description(
        "The namespaces that this budget covers, matched against their labels. An empty selector covers all namespaces. Those of Kubernetes itself (kube-system, kube-public, kube-node-lease) and of Bursar are covered only if spec.namespaces names them."
    )]
    public WorkloadSelector? NamespaceSelector { get; set; }
}

[ValidationRule(
    "has(self.cost) || has(self.gpuHours) || has(self.energyKWh) || has(self.co2eKg) || has(self.tokens)",
    message: "set at least one of cost, gpuHours, energyKWh, co2eKg and tokens"
)]
public sealed class GpuBudgetLimit
{
    [Pattern(DecimalText.Pattern)]
    [IntOrString]
    [RangeMinimum(0)]
    [RangeMaximum(999_999_999_999)]
    [Length(1, 22)]
    [Description(
        "The amount per window, in the currency of the price book: a whole number such as 500, or a quoted decimal with up to nine decimal places such as \"2.295\"."
    )]
    public string? Cost { get; set; }

    [Pattern(DecimalText.Pattern)]
    [IntOrString]
    [RangeMinimum(0)]
    [RangeMaximum(999_999_999_999)]
    [Length(1, 22)]
    [Description("The hours of reserved GPUs per window, whatever they cost. A slice of a GPU counts as its part.")]
    public string? GpuHours { get; set; }

    [Pattern(DecimalText.Pattern)]
    [IntOrString]
    [RangeMinimum(0)]
    [RangeMaximum(999_999_999_999)]
    [Length(1, 22)]
    [Description("The energy per window in kilowatt-hours that the GPUs may use, as the nodes' agents measure it.")]
    public string? EnergyKWh { get; set; }

    [Pattern(DecimalText.Pattern)]
    [IntOrString]
    [RangeMinimum(0)]
    [RangeMaximum(999_999_999_999)]
    [Length(1, 22)]
    [Description(
        "The CO2e per window in kilograms of that energy, at the grid intensity of the price book. Without a grid intensity it is not counted, and the condition PricesTrusted says so."
    )]
    public string? Co2eKg { get; set; }

    [Pattern("^[0-9]{1,12}$")]
    [IntOrString]
    [RangeMinimum(0)]
    [RangeMaximum(999_999_999_999)]
    [Length(1, 12)]
    [Description("The prompt and generated tokens per window that the model servers report.")]
    public string? Tokens { get; set; }
}

[ValidationRule("has(self.cost) != has(self.gpuHours)", message: "set either cost or gpuHours")]
public sealed class GpuBudgetPartialLimit
{
    [Required]
    [Length(1, 63)]
    [Pattern("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    [Description("The name of the limit in messages and in the status, such as h100.")]
    public string? Name { get; set; }

    [Required]
    [Description("The GPUs that count.")]
    public GpuBudgetLimitMatch? Match { get; set; }

    [Pattern(DecimalText.Pattern)]
    [IntOrString]
    [RangeMinimum(0)]
    [RangeMaximum(999_999_999_999)]
    [Length(1, 22)]
    [Description("The cost per window, in the currency of the price book.")]
    public string? Cost { get; set; }

    [Pattern(DecimalText.Pattern)]
    [IntOrString]
    [RangeMinimum(0)]
    [RangeMaximum(999_999_999_999)]
    [Length(1, 22)]
    [Description("The hours of reserved GPUs per window.")]
    public string? GpuHours { get; set; }
}

[ValidationRule("has(self.product) || has(self.capacityType)", message: "set product, capacityType or both")]
public sealed class GpuBudgetLimitMatch
{
    [Length(1, 253)]
    [Description(
        "A pattern for the product of the GPU, as in a price book: * stands for any characters, ? for one, and case is ignored; for example *H100*. A workload without pods counts if its node selector allows no other product."
    )]
    public string? Product { get; set; }

    [Length(1, 63)]
    [Description(
        "A pattern for the capacity type of the node, as in a price book: on-demand, spot or reserved, read from the labels of the node. A node without such a label is on-demand. If both are set, both must match."
    )]
    public string? CapacityType { get; set; }
}

public sealed class GpuBudgetPerLabel
{
    [Required]
    [Length(1, 317)]
    [Pattern("^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$")]
    [Description("The key of the label on the pod template, such as user. An empty value counts as no label.")]
    public string? Key { get; set; }

    [Required]
    [ValidationRule(
        "[has(self.cost), has(self.gpuHours), has(self.energyKWh), has(self.co2eKg), has(self.tokens)].exists_one(x, x)",
        message: "set exactly one of cost, gpuHours, energyKWh, co2eKg and tokens"
    )]
    [Description("The limit for each value.")]
    public GpuBudgetLimit? Limit { get; set; }
}

public sealed class GpuBudgetTopUp
{
    [Required]
    [Pattern(DecimalText.Pattern)]
    [IntOrString]
    [RangeMinimum(0)]
    [RangeMaximum(999_999_999_999)]
    [Length(1, 22)]
    [Description("The amount added to the limit of that window, in the currency of the price book.")]
    public string? Amount { get; set; }

    [Required]
    [Length(4, 19)]
    [Pattern("^[0-9A-Za-z:+-]+$")]
    [Description(
        "The window of the top-up, in the window's time zone: 2026-11-21T10 for Hour (in the hour that clocks repeat, the second one with its offset: 2026-10-25T02+01:00), 2026-11-21 for Day, 2026-W47 (ISO week) for Week, 2026-11 for Month, 2026-Q4 for Quarter, 2026 for Year, rolling for Rolling, once for Once."
    )]
    public string? Window { get; set; }

    [Length(0, 256)]
    [Description("The reason, for people.")]
    public string? Reason { get; set; }
}

[ValidationRule(
    "self.period == 'Rolling' ? has(self.length) : !has(self.length)",
    message: "length belongs to period Rolling, which needs it; no other period has it",
    fieldPath: ".length"
)]
[ValidationRule(
    "self.period == 'Once' ? has(self.start) && has(self.end) : !has(self.start) && !has(self.end)",
    message: "start and end belong to period Once, which needs both; no other period has them",
    fieldPath: ".start"
)]
[ValidationRule("!has(self.start) || !has(self.end) || self.start < self.end", message: "start must be before end", fieldPath: ".end")]
public sealed class GpuBudgetWindow
{
    [AllowedValues("Hour", "Day", "Week", "Month", "Quarter", "Year", "Rolling", "Once")]
    [DefaultJson("\"Month\"")]
    [Description(
        "Hour, Day, Week (from Monday), Month, Quarter and Year follow the calendar of the time zone. Rolling is the last `length` at any moment. Once is the time from `start` to `end`; before it nothing counts, after it the budget is Expired."
    )]
    public string? Period { get; set; } = "Month";

    [Length(1, 64)]
    [Pattern("^[A-Za-z0-9_+/-]+$")]
    [DefaultJson("\"UTC\"")]
    [Description("The IANA name of the time zone whose calendar the windows follow, such as Europe/Berlin.")]
    public string? TimeZone { get; set; } = "UTC";

    [Length(2, 32)]
    [Pattern(GoDuration.Pattern)]
    [ValidationRule(DurationRule.Seconds + " >= 60 && " + DurationRule.Seconds + " <= 31622400", message: "length must be from 1m to 366d")]
    [Description("The length of a Rolling window, from 1m to 366d, such as 7d or 168h.")]
    public string? Length { get; set; }

    [Format("date-time")]
    [Length(1, 64)]
    [Description("The start of a Once window (RFC 3339).")]
    public string? Start { get; set; }

    [Format("date-time")]
    [Length(1, 64)]
    [Description("The end of a Once window (RFC 3339), exclusive.")]
    public string? End { get; set; }
}

public sealed class GpuBudgetRollover
{
    [Required]
    [RangeMinimum(1)]
    [RangeMaximum(100)]
    [Description(
        "The most that a window carries over from the window before, in percent of the limit without top-ups. It is used after the window's own limit and expires with the window. It applies from the next window on."
    )]
    public int? MaxPercent { get; set; }
}

public sealed class GpuBudgetBorrowing
{
    [Required]
    [Pattern(DecimalText.Pattern)]
    [IntOrString]
    [RangeMinimum(0)]
    [RangeMaximum(999_999_999_999)]
    [Length(1, 22)]
    [Description("The most that the budget may owe to others at a time, in the unit of its own limit.")]
    public string? Limit { get; set; }
}

public sealed class GpuBudgetLending
{
    [Required]
    [Pattern(DecimalText.Pattern)]
    [IntOrString]
    [RangeMinimum(0)]
    [RangeMaximum(999_999_999_999)]
    [Length(1, 22)]
    [Description("The most that the budget lends in one window, in the unit of its own limit.")]
    public string? Limit { get; set; }
}

public sealed class GpuBudgetAutoApprove
{
    [Required]
    [RangeMinimum(1)]
    [RangeMaximum(100)]
    [Description("The largest request that is approved, in percent of the limit without top-ups, grants and rollover.")]
    public int? MaxPercent { get; set; }

    [Required]
    [RangeMinimum(1)]
    [RangeMaximum(50)]
    [Description("The most requests that are approved in one window. A deleted request counts.")]
    public int? PerWindow { get; set; }
}

public sealed class GpuBudgetTraining
{
    [AllowedValues("UntilExhausted", "RunToWindowEnd", "Hold")]
    [DefaultJson("\"UntilExhausted\"")]
    [Description(
        "What to do with a job of unknown duration. UntilExhausted: it runs until the budget is used up and reserves only the cost of stopping it. RunToWindowEnd: it counts as if it ran to the end of the window. Hold: it stays suspended until its duration is known."
    )]
    public string? UnknownDuration { get; set; } = "UntilExhausted";

    [AllowedValues("Likely", "Certain")]
    [DefaultJson("\"Likely\"")]
    [Description(
        "Which forecast value (likely or low) must exceed the limit before a job is suspended. Likely: the likely value once the estimate has settled (from progress: 100 steps or 2 minutes, and an interval within 25 %; a declared duration: always), before that the low value. A sweep with ended pieces counts with its low value. Certain: always the low value."
    )]
    public string? SuspendWhen { get; set; } = "Likely";

    [RangeMinimum(0)]
    [RangeMaximum(100)]
    [DefaultJson("0")]
    [Description("The percentage by which spending may exceed the limit, for forecasts and for the hard limit.")]
    public int? TolerancePercent { get; set; } = 0;

    [Length(2, 32)]
    [Pattern(GoDuration.Pattern)]
    [ValidationRule(DurationRule.Seconds + " <= 86400", message: "settle must be at most 24h")]
    [DefaultJson("\"60s\"")]
    [Description(
        "The time between the announcement of a suspension by forecast and the suspension, at most 24h. It applies to workloads that already run when a budget is created or its limit is lowered, and to jobs whose forecast rises suddenly, if the budget covers them until then. An Event announces the suspension."
    )]
    public string? Settle { get; set; } = "60s";

    [AllowedValues("LeastLost", "LowestPriority")]
    [DefaultJson("\"LeastLost\"")]
    [Description(
        "The order of suspension among jobs of the same group (new; of unknown duration; above its reservation; others) and the same priority. LeastLost: first the one that loses the least work since its last checkpoint in relation to what its suspension saves, then the youngest. LowestPriority: the youngest."
    )]
    public string? Victims { get; set; } = "LeastLost";

    [DefaultJson("{}")]
    [Description(
        "Checkpoint requests before a suspension. Only for workloads annotated bursar.dev/checkpoint: supported, or whose pods ask their node's agent whether a checkpoint is wanted."
    )]
    public GpuBudgetCheckpoint? Checkpoint { get; set; } = new();

    [DefaultJson("{}")]
    [Description("Rules for resuming suspended jobs.")]
    public GpuBudgetResume? Resume { get; set; } = new();
}

public sealed class GpuBudgetCheckpoint
{
    [Length(2, 32)]
    [Pattern(GoDuration.Pattern)]
    [ValidationRule(DurationRule.Seconds + " <= 3600", message: "grace must be at most 1h")]
    [DefaultJson("\"5m\"")]
    [Description(
        "How long to wait for a checkpoint before the suspension, at most 1h. The job is suspended as soon as it reports a checkpoint. 0s: no checkpoint is requested. The cost of the wait is part of the overspend bound, so the limit is enforced that much earlier."
    )]
    public string? Grace { get; set; } = "5m";
}

public sealed class GpuBudgetResume
{
    [AllowedValues("Automatic", "Manual")]
    [DefaultJson("\"Automatic\"")]
    [Description(
        "Automatic: jobs resume in the same window when the limit rises or other workloads end and leave enough. Manual: a job resumes only with the annotation bursar.dev/resume: approved."
    )]
    public string? Policy { get; set; } = "Automatic";

    [RangeMinimum(0)]
    [RangeMaximum(100)]
    [DefaultJson("5")]
    [Description(
        "The percentage of the limit that must stay free after the high estimate of a job's cost to complete, before the job is resumed."
    )]
    public int? HeadroomPercent { get; set; } = 5;
}

public sealed class GpuBudgetInference
{
    /// <summary>
    /// Null is MinReplicas. The schema has no default, because the API server would store it, and an earlier version does not know it.
    /// </summary>
    [AllowedValues("MinReplicas", "Zero", "Floor")]
    [Description(
        "The size of inference workloads once the budget is exhausted. MinReplicas: the minReplicas of an InferenceScaler, otherwise "
            + "spec.replicas. Zero: 0 replicas until budget is available again. Floor is the former name of MinReplicas. Default: MinReplicas."
    )]
    public string? WhenExhausted { get; set; }
}

public sealed class GpuBudgetInteractive
{
    [AllowedValues("Report", "Gate")]
    [DefaultJson("\"Report\"")]
    [Description(
        "What to do with new GPU pods that Bursar cannot suspend (bare pods, replicas of inference that keeps running, unsupported kinds) once the budget is used up. Report: they start, and are counted and reported. Gate: the admission webhook refuses them until the limit is raised or the next window begins; running pods are not changed."
    )]
    public string? WhenExhausted { get; set; } = "Report";
}

public sealed class GpuBudgetIdle
{
    [Length(2, 32)]
    [Pattern(GoDuration.Pattern)]
    [ValidationRule(DurationRule.Seconds + " >= 300 && " + DurationRule.Seconds + " <= 2592000", message: "after must be from 5m to 30d")]
    [DefaultJson("\"2h\"")]
    [Description(
        "How long all GPUs of a workload must have been idle, from 5m to 30d. Only time counts that an agent or a dcgm-exporter measured without a gap while the pods ran. A restart of the operator begins it again."
    )]
    public string? After { get; set; } = "2h";

    [RangeMinimum(1)]
    [RangeMaximum(100)]
    [DefaultJson("3")]
    [Description("A GPU is idle while it works for less than this percentage of each measured minute.")]
    public int? BelowPercent { get; set; } = 3;

    [AllowedValues("Report", "Suspend")]
    [DefaultJson("\"Report\"")]
    [Description(
        "Report: an Event, status.workloads[].idleSince and a metric. Suspend: suspend the workload too, until a user resumes it. Exempt workloads, inference that keeps its replicas (inference.whenExhausted: MinReplicas) and workloads that cannot be suspended are only reported."
    )]
    public string? Action { get; set; } = "Report";
}
