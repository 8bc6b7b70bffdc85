using System.Globalization;
using Bursar.Kubernetes.Attributes;
using Bursar.Kubernetes.KubeOps;
using Bursar.Kubernetes.Objects;

namespace Bursar.Api;

/// <summary>
/// The status of a budget, replaced as a whole after each decision. Amounts are decimal strings in the price book's currency, times RFC
/// 3339.
/// </summary>
public sealed class GpuBudgetStatus
{
    [Description("The generation of the spec that this status describes.")]
    public long? ObservedGeneration { get; set; }

    [Length(0, 64)]
    [Description("The reason of the condition Ready, for the column State.")]
    public string? State { get; set; }

    [Length(0, 16)]
    [Description("The currency of all amounts here, from the price book. If spec.limit has no cost: GPU-hours, kWh, kg CO2e or tokens.")]
    public string? Currency { get; set; }

    [Description("The window of the amounts. A rolling window is shown as it was when this status was written.")]
    public GpuBudgetStatusWindow? Window { get; set; }

    [Format("date-time")]
    [Length(0, 64)]
    [Description(
        "The time from which workloads are counted in this window: the start of the window, or the installation of Bursar if that was later."
    )]
    public string? CountingSince { get; set; }

    [Length(0, 40)]
    [Description("The limit of this window with its top-ups, grants, loans and what it carried over.")]
    public string? Limit { get; set; }

    [Length(0, 40)]
    [Description("The part of the limit that the last window left unspent, if spec.rollover carries it over.")]
    public string? RolledOver { get; set; }

    [Length(0, 40)]
    [Description("The part of the limit that grants added. See GpuBudgetRequest.")]
    public string? Granted { get; set; }

    [Items(0, 50)]
    [Description("The grants of this window, in the order in which they are used. An expired grant is listed with its used part.")]
    public IReadOnlyList<GpuBudgetGrant>? Grants { get; set; }

    [Length(0, 40)]
    [Description("The part of the limit that is borrowed from other budgets in this window.")]
    public string? Borrowed { get; set; }

    [Length(0, 40)]
    [Description("The amount that other budgets have borrowed from this one in this window. The limit is lower by it.")]
    public string? Lent { get; set; }

    [Length(0, 40)]
    [Description("The amount that later windows of this budget repay.")]
    public string? Owed { get; set; }

    [Items(0, 50)]
    [Description("The loans of this window, from and to this budget.")]
    public IReadOnlyList<GpuBudgetLoan>? Loans { get; set; }

    [Items(0, 20)]
    [ItemLength(0, 512)]
    [Description(
        "Why the budget cannot borrow, or cannot borrow more, while a workload waits: one entry per lender, or for the budget itself."
    )]
    public IReadOnlyList<string>? LoanRefusals { get; set; }

    [Length(0, 40)]
    [Description("The amount used so far in this window, in the unit of the limit.")]
    public string? Spent { get; set; }

    [Length(0, 40)]
    [Description(
        "What jobs of known duration and inference that keeps running will still cost in this window, and the cost of stopping jobs of unknown duration. The forecast test compares spent plus reserved with the limit."
    )]
    public string? Reserved { get; set; }

    [Length(0, 40)]
    [Description(
        "The spending expected at the end of the window: each running workload counts at its current rate until it ends, is suspended at the limit, or the window ends."
    )]
    public string? Projected { get; set; }

    [Description(
        "The forecast of the spending at the end of the window, with workloads that have not started yet, if nothing is suspended. Absent for a rolling window and outside of a single one."
    )]
    public GpuBudgetForecast? Forecast { get; set; }

    [Length(0, 40)]
    [Description("The limit minus the spent cost. Negative when overspent.")]
    public string? Remaining { get; set; }

    [Description("The used part of the limit in percent, rounded down.")]
    public long? Percent { get; set; }

    [Description("Projected cost in percent of the limit, rounded down.")]
    public long? ProjectedPercent { get; set; }

    [Length(0, 40)]
    [Description("The cost per hour of the running workloads.")]
    public string? BurnRatePerHour { get; set; }

    [Format("date-time")]
    [Length(0, 64)]
    [Description(
        "The time when the limit is reached by the projection, or was reached if the budget is used up. Absent if it is not reached in this window."
    )]
    public string? ExhaustedAt { get; set; }

    [Length(0, 40)]
    [Description("The most that stopping everything that can be suspended still costs. The hard limit acts that much before the limit.")]
    public string? OverspendBound { get; set; }

    [Length(0, 40)]
    [Description("The part of the running workloads' cost to complete that falls into the next window.")]
    public string? CarriedOver { get; set; }

    [Description("Workloads that the budget counts and that Bursar cannot suspend.")]
    public GpuBudgetUnstoppable? Unstoppable { get; set; }

    [Length(0, 40)]
    [Description("The cost in this window of GPU workloads of its namespaces that no budget selects.")]
    public string? OutsideSelector { get; set; }

    [Description("For a ClusterGpuBudget: the number of namespaces that it covers.")]
    public int? NamespaceCount { get; set; }

    [Items(0, 50)]
    [ItemLength(1, 63)]
    [Description(
        "For a ClusterGpuBudget: the namespaces that it covers, at most 50. A deleted one counts while it has spending in this window."
    )]
    public IReadOnlyList<string>? Namespaces { get; set; }

    [Items(0, 20)]
    [ItemLength(1, 253)]
    [Description(
        "The ClusterGpuBudgets above this budget, which cover all its namespaces, at most 20. Its workloads need to fit them too."
    )]
    public IReadOnlyList<string>? Parents { get; set; }

    [Items(0, 50)]
    [Description("For a ClusterGpuBudget: the budgets directly below it, whose namespaces it covers, at most 50.")]
    public IReadOnlyList<GpuBudgetChild>? Children { get; set; }

    [Items(0, 17)]
    [ListType("map", "name")]
    [Description("The further limits: gpuHours beside a cost, and those of spec.limits.")]
    public IReadOnlyList<GpuBudgetLimitStatus>? Limits { get; set; }

    [Items(0, 20)]
    [ListType("map", "name")]
    [Description("The limits of spec.perLabel by value of the label, the highest projections first, at most 20; perLabelCount counts all.")]
    public IReadOnlyList<GpuBudgetLimitStatus>? PerLabel { get; set; }

    [Description("The number of values of the label in spec.perLabel that have a limit: those of workloads in this window, at most 1000.")]
    public int? PerLabelCount { get; set; }

    [Description("The number of further values, which have no limit because there are too many. Absent: none.")]
    public int? PerLabelWithoutLimit { get; set; }

    [Items(0, 20)]
    [Description("The workloads with the highest projected cost, at most 20.")]
    public IReadOnlyList<GpuBudgetWorkload>? Workloads { get; set; }

    [Items(0, 5)]
    [Description(
        "Advice for running workloads by what their GPUs did in the last seven days, the most expensive workload first, at most 5; absent if there is none. It is renewed every ten minutes."
    )]
    public IReadOnlyList<GpuBudgetAdvice>? Advice { get; set; }

    [Items(0, 10)]
    [Description("Workloads with spending in this window that use no GPUs any more, the most expensive first, at most 10.")]
    public IReadOnlyList<GpuBudgetEnded>? Ended { get; set; }

    [Items(0, 50)]
    [Description("Workloads that Bursar has suspended, oldest first, at most 50; suspendedCount counts all.")]
    public IReadOnlyList<GpuBudgetSuspended>? Suspended { get; set; }

    [Description("The number of workloads that Bursar has suspended.")]
    public int? SuspendedCount { get; set; }

    [Items(0, 10)]
    [Description("The last decisions that suspended, resumed or scaled a workload, or would have done so, newest first, at most 10.")]
    public IReadOnlyList<GpuBudgetDecision>? Decisions { get; set; }

    [Items(0, 32)]
    [ListType("map", "type")]
    [Description(
        "Ready, WithinBudget, ProjectedWithinBudget, FullyEnforceable, MeteringFresh, PricesTrusted; MinimumReplicasExceedLimit, ForecastOverBudget, Overcommitted, "
            + "BreakerOpen and Contested when they hold."
    )]
    public IReadOnlyList<V1Condition>? Conditions { get; set; }

    /// <summary>Removes the messages and figures of workloads and decisions, which are most of a status and are not read back.</summary>
    public void Slim()
    {
        Workloads = Workloads
            ?.Select(w => new GpuBudgetWorkload
            {
                Namespace = w.Namespace,
                Name = w.Name,
                State = w.State,
                IdleSince = w.IdleSince,
                Reason = Mark(w.Reason),
            })
            .ToArray();
        Advice = Advice?.Select(one => new GpuBudgetAdvice { Name = one.Name, Text = Mark(one.Text) }).ToArray();
        Ended = Ended?.Select(one => new GpuBudgetEnded { Name = one.Name, Steps = one.Steps }).ToArray();
        Decisions = Decisions?.Take(1).Select(d => new GpuBudgetDecision { Time = d.Time }).ToArray();
    }

    /// <summary>Replaces a message by a short hash, for comparisons. Valid in this process only.</summary>
    public static string? Mark(string? sentence) =>
        sentence is null or ['#', ..]
            ? sentence
            : string.Create(CultureInfo.InvariantCulture, $"#{string.GetHashCode(sentence, StringComparison.Ordinal)}");
}

public sealed class GpuBudgetStatusWindow
{
    [Format("date-time")]
    [Length(0, 64)]
    [Description("The start of the window.")]
    public string? Start { get; set; }

    [Format("date-time")]
    [Length(0, 64)]
    [Description("The end of the window, exclusive.")]
    public string? End { get; set; }
}

public sealed class GpuBudgetLimitStatus
{
    [Required]
    [Length(1, 63)]
    [Description("The name of the limit, or the value of the label.")]
    public string? Name { get; set; }

    [Length(0, 64)]
    [Description("The state of the limit, as the state of a budget.")]
    public string? State { get; set; }

    [Length(0, 16)]
    [Description("The unit of the amounts: the currency of the price book, GPU-hours, kWh, kg CO2e or tokens.")]
    public string? Unit { get; set; }

    [Length(0, 40)]
    [Description("The limit per window.")]
    public string? Limit { get; set; }

    [Length(0, 40)]
    [Description("The amount so far in this window.")]
    public string? Spent { get; set; }

    [Length(0, 40)]
    [Description("The amount expected at the end of the window.")]
    public string? Projected { get; set; }

    [Format("date-time")]
    [Length(0, 64)]
    [Description("The time when the limit is or was reached. Absent if it is not reached in this window.")]
    public string? ExhaustedAt { get; set; }

    [Description("The number of workloads that this limit has suspended.")]
    public int? SuspendedCount { get; set; }

    [Description(
        "For a limit on a product or a capacity type: the number of GPUs in the cluster that match. With 0, the pattern may be wrong."
    )]
    public int? Gpus { get; set; }
}

public sealed class GpuBudgetUnstoppable
{
    [Length(0, 40)]
    [Description("The cost per hour.")]
    public string? RatePerHour { get; set; }

    [Length(0, 40)]
    [Description("The cost from now to the end of the window.")]
    public string? UntilWindowEnd { get; set; }

    [Items(0, 20)]
    [ItemLength(0, 320)]
    [Description("The workloads as Kind/name, at most 20.")]
    public IReadOnlyList<string>? Workloads { get; set; }
}

public sealed class GpuBudgetWorkload
{
    [Length(0, 63)]
    [Description("The namespace of the workload, in the status of a ClusterGpuBudget.")]
    public string? Namespace { get; set; }

    [Length(0, 63)]
    [Description("The kind of the top-level workload.")]
    public string? Kind { get; set; }

    [Length(0, 253)]
    [Description("The name of the workload.")]
    public string? Name { get; set; }

    [Length(0, 32)]
    [Description("training, inference or interactive.")]
    public string? Class { get; set; }

    [Length(0, 32)]
    [Description(
        "Running, Pending, SuspendedByBudget (by this one), SuspendedByOtherBudget (by others alone) or SuspendedByOther (by a user or another controller)."
    )]
    public string? State { get; set; }

    [Description("The GPUs that its spec requests at full size.")]
    public int? Gpus { get; set; }

    [Length(0, 40)]
    [Description("The cost of those GPUs per hour.")]
    public string? RatePerHour { get; set; }

    [Length(0, 40)]
    [Description("The amount used so far in this window, in the unit of the limit.")]
    public string? Spent { get; set; }

    [Length(0, 40)]
    [Description("The expected cost of its whole run.")]
    public string? Projected { get; set; }

    [Description("The expected end.")]
    public GpuBudgetEta? Eta { get; set; }

    [Length(0, 40)]
    [Description(
        "The source of its GPU usage while it runs: agent, dcgm-exporter, or api if only the times of the API server are known; several if its nodes differ."
    )]
    public string? MeteredBy { get; set; }

    [Format("date-time")]
    [Length(0, 64)]
    [Description("Since when all its GPUs have been idle; absent if they are not, or for less than spec.idle.after.")]
    public string? IdleSince { get; set; }

    [Length(0, 1024)]
    [Description("The reason for its state.")]
    public string? Reason { get; set; }

    [Description("Unit costs of its output over the UTC days of this window, idle time included; absent if nothing was measured.")]
    public GpuBudgetUnitCosts? UnitCosts { get; set; }
}

public sealed class GpuBudgetLoan
{
    [Length(0, 317)]
    [Description("The budget that lends: namespace and name, or the name of a ClusterGpuBudget.")]
    public string? Lender { get; set; }

    [Length(0, 317)]
    [Description("The budget that borrows, named like the lender.")]
    public string? Borrower { get; set; }

    [Length(0, 40)]
    [Description("The amount lent in this window. The borrower's limit is higher by it, and the lender's lower.")]
    public string? Lent { get; set; }

    [Length(0, 40)]
    [Description("The amount repaid in this window. The borrower's limit is lower by it, and the lender's higher.")]
    public string? Repaid { get; set; }

    [Length(0, 40)]
    [Description("The amount that later windows repay.")]
    public string? Owed { get; set; }
}

public sealed class GpuBudgetGrant
{
    [Length(0, 63)]
    [Description("The namespace of the request.")]
    public string? Namespace { get; set; }

    [Length(0, 253)]
    [Description("The name of the request.")]
    public string? Name { get; set; }

    [Length(0, 40)]
    [Description("The approved amount.")]
    public string? Amount { get; set; }

    [Length(0, 40)]
    [Description("The used part.")]
    public string? Used { get; set; }

    [Format("date-time")]
    [Length(0, 64)]
    [Description("When its unused part leaves the limit.")]
    public string? ExpiresAt { get; set; }

    [Format("date-time")]
    [Length(0, 64)]
    [Description("When its unused part left the limit; absent if it has not.")]
    public string? EndedAt { get; set; }

    [Length(0, 512)]
    [Description("The user who made the request.")]
    public string? RequestedBy { get; set; }

    [Length(0, 512)]
    [Description("The user who approved the request.")]
    public string? ApprovedBy { get; set; }
}

public sealed class GpuBudgetAdvice
{
    [Length(0, 63)]
    [Description("The namespace of the workload, in the status of a ClusterGpuBudget.")]
    public string? Namespace { get; set; }

    [Length(0, 63)]
    [Description("The kind of the top-level workload.")]
    public string? Kind { get; set; }

    [Length(0, 253)]
    [Description("The name of the workload.")]
    public string? Name { get; set; }

    [Length(0, 1024)]
    [Description("What its GPUs did, and what to change.")]
    public string? Text { get; set; }
}

public sealed class GpuBudgetChild
{
    [Length(0, 320)]
    [Description("The name of the budget, as namespace/name for a GpuBudget.")]
    public string? Name { get; set; }

    [Length(0, 40)]
    [Description("The limit of its current window.")]
    public string? Limit { get; set; }
}

public sealed class GpuBudgetEnded
{
    [Length(0, 63)]
    [Description("The namespace of the workload, in the status of a ClusterGpuBudget.")]
    public string? Namespace { get; set; }

    [Length(0, 63)]
    [Description("The kind of the workload.")]
    public string? Kind { get; set; }

    [Length(0, 253)]
    [Description("The name of the workload.")]
    public string? Name { get; set; }

    [Length(0, 32)]
    [Description("training, inference or interactive.")]
    public string? Class { get; set; }

    [Length(0, 40)]
    [Description("The cost in this window.")]
    public string? Spent { get; set; }

    [Description("The last training step that it reported.")]
    public long? Steps { get; set; }

    [Description("Unit costs of its output, idle time included; per step at its last pace and rate.")]
    public GpuBudgetUnitCosts? UnitCosts { get; set; }
}

public sealed class GpuBudgetUnitCosts
{
    [Length(0, 40)]
    [Description("The cost per GPU and hour.")]
    public string? PerGpuHour { get; set; }

    [Length(0, 40)]
    [Description("The cost per 1,000 tokens, prompt and generated together.")]
    public string? PerThousandTokens { get; set; }

    [Length(0, 40)]
    [Description("The cost per completed request.")]
    public string? PerRequest { get; set; }

    [Length(0, 40)]
    [Description("The cost per training step at its current pace and rate.")]
    public string? PerStep { get; set; }

    [Length(0, 40)]
    [Description("Joules per token, prompt and generated together.")]
    public string? JoulesPerToken { get; set; }
}

public sealed class GpuBudgetEta
{
    [Format("date-time")]
    [Length(0, 64)]
    [Description("The low end of the estimate.")]
    public string? Low { get; set; }

    [Format("date-time")]
    [Length(0, 64)]
    [Description("The likely end.")]
    public string? Likely { get; set; }

    [Format("date-time")]
    [Length(0, 64)]
    [Description("The high end of the estimate.")]
    public string? High { get; set; }

    [Length(0, 32)]
    [Description("The source of the estimate: progress, reported, completions, declared, series or unknown.")]
    public string? Source { get; set; }
}

public sealed class GpuBudgetSuspended
{
    [Length(0, 63)]
    [Description("The namespace of the workload, in the status of a ClusterGpuBudget.")]
    public string? Namespace { get; set; }

    [Length(0, 63)]
    [Description("The kind of the suspended workload.")]
    public string? Kind { get; set; }

    [Length(0, 253)]
    [Description("The name of the workload.")]
    public string? Name { get; set; }

    [Format("date-time")]
    [Length(0, 64)]
    [Description("When it was suspended.")]
    public string? Since { get; set; }

    [Length(0, 128)]
    [Description("The reason.")]
    public string? Reason { get; set; }

    [Length(0, 381)]
    [Description("The limit inside the budget that suspended it: its name, or the label and the value. Absent: the budget's own limit.")]
    public string? Limit { get; set; }

    [Length(0, 16)]
    [Description("The unit of costToFinish, if such a limit suspended it.")]
    public string? Unit { get; set; }

    [Length(0, 40)]
    [Description("The cost to complete.")]
    public string? CostToFinish { get; set; }
}

public sealed class GpuBudgetDecision
{
    [Format("date-time")]
    [Length(0, 64)]
    [Description("The time of the decision.")]
    public string? Time { get; set; }

    [Length(0, 64)]
    [Description("The action, such as Suspend or Resume. In mode Observe, the action that would have been taken.")]
    public string? Action { get; set; }

    [Length(0, 384)]
    [Description("The workload, as Kind/name; for a ClusterGpuBudget as namespace/Kind/name.")]
    public string? Object { get; set; }

    [Length(0, 128)]
    [Description("The reason as one CamelCase word.")]
    public string? Reason { get; set; }

    [Length(0, 1024)]
    [Description("The reason as a sentence with the amounts.")]
    public string? Message { get; set; }

    [Description("The amounts on which the decision is based.")]
    public GpuBudgetDecisionAmounts? Amounts { get; set; }
}

public sealed class GpuBudgetDecisionAmounts
{
    [Length(0, 40)]
    [Description("The limit of the window with its top-ups.")]
    public string? Limit { get; set; }

    [Length(0, 40)]
    [Description("The spent amount at that time.")]
    public string? Spent { get; set; }

    [Length(0, 40)]
    [Description("The reserved amount at that time.")]
    public string? Reserved { get; set; }

    [Length(0, 40)]
    [Description("The projected amount at that time.")]
    public string? Projected { get; set; }

    [Length(0, 40)]
    [Description("The cost to complete of the workload.")]
    public string? CostToFinish { get; set; }
}

/// <summary>A forecast of the window. Without an interval, only the likely values are present.</summary>
public sealed class GpuBudgetForecast
{
    [Description("The spending at the end of the window.")]
    public GpuBudgetForecastAmounts? WindowEnd { get; set; }

    [Description("When the limit is reached. A value is absent if the window ends first.")]
    public GpuBudgetForecastTimes? ExhaustedAt { get; set; }

    [Description("The percentage of windows whose spending lies between low and high. Absent while there is too little history.")]
    public int? Coverage { get; set; }

    [Length(0, 20)]
    [Description(
        "Seasonal: a damped trend with a pattern by weekday, or by hour for windows of up to two days. Trend: a damped trend. KnownOnly: running workloads only, because there is too little history."
    )]
    public string? Method { get; set; }

    [Description(
        "The mean absolute error of this forecast in past windows, after the same part of them, in percent of their spending. Absent while there is too little history."
    )]
    public int? PastError { get; set; }
}

public sealed class GpuBudgetForecastAmounts
{
    [Length(0, 40)]
    [Description("The low end of the interval.")]
    public string? Low { get; set; }

    [Length(0, 40)]
    [Description("The likely spending.")]
    public string? Likely { get; set; }

    [Length(0, 40)]
    [Description("The high end of the interval.")]
    public string? High { get; set; }
}

public sealed class GpuBudgetForecastTimes
{
    [Format("date-time")]
    [Length(0, 64)]
    [Description("The time with high spending, the earliest.")]
    public string? Low { get; set; }

    [Format("date-time")]
    [Length(0, 64)]
    [Description("The time with likely spending.")]
    public string? Likely { get; set; }

    [Format("date-time")]
    [Length(0, 64)]
    [Description("The time with low spending, the latest.")]
    public string? High { get; set; }
}
