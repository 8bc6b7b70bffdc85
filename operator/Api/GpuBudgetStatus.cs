using System.Globalization;
using Bursar.Kubernetes.Attributes;
using Bursar.Kubernetes.KubeOps;
using Bursar.Kubernetes.Objects;

namespace Bursar.Api;

/// <summary>Written whole from one decision; amounts are decimal strings in the price book's currency, times RFC 3339.</summary>
public sealed class GpuBudgetStatus
{
    [Description("The generation of the spec that this status is about.")]
    public long? ObservedGeneration { get; set; }

    [Length(0, 64)]
    [Description("The reason of the condition Ready, for the column State.")]
    public string? State { get; set; }

    [Length(0, 8)]
    [Description("The currency of all amounts here, from the price book.")]
    public string? Currency { get; set; }

    [Description("The window that the amounts are for. A rolling window is shown as it was when this status was written.")]
    public GpuBudgetStatusWindow? Window { get; set; }

    [Format("date-time")]
    [Length(0, 64)]
    [Description("From when on work in this window is counted: the window's start, or the installation of Bursar if that was later.")]
    public string? CountingSince { get; set; }

    [Length(0, 40)]
    [Description("The limit of this window with its top-ups.")]
    public string? Limit { get; set; }

    [Length(0, 40)]
    [Description("Spent in this window.")]
    public string? Spent { get; set; }

    [Length(0, 40)]
    [Description(
        "Still to be spent in this window by jobs of known length and by inference that keeps running. Spent and reserved together are what the forecast test holds against the limit."
    )]
    public string? Reserved { get; set; }

    [Length(0, 40)]
    [Description(
        "Spending at the end of the window on the present course: everything that runs counts at its present rate until it ends, is suspended at the limit, or the window closes."
    )]
    public string? Projected { get; set; }

    [Length(0, 40)]
    [Description("The limit less what is spent. Negative when overspent.")]
    public string? Remaining { get; set; }

    [Description("Spent, as percent of the limit, rounded down.")]
    public long? Percent { get; set; }

    [Description("Projected, as percent of the limit, rounded down.")]
    public long? ProjectedPercent { get; set; }

    [Length(0, 40)]
    [Description("What the running work costs per hour.")]
    public string? BurnRatePerHour { get; set; }

    [Format("date-time")]
    [Length(0, 64)]
    [Description(
        "When the limit is reached on the present course; of a budget that is used up, when it was. Absent when it is not reached in this window."
    )]
    public string? ExhaustedAt { get; set; }

    [Length(0, 40)]
    [Description("The most that suspendable workloads can overspend while they are being stopped.")]
    public string? OverspendBound { get; set; }

    [Length(0, 40)]
    [Description("The part of the running work's cost to finish that falls after this window: the first claim on the next one.")]
    public string? CarriedOver { get; set; }

    [Description("Workloads that the budget counts and that Bursar cannot suspend.")]
    public GpuBudgetUnstoppable? Unstoppable { get; set; }

    [Length(0, 40)]
    [Description("The cost in this window of GPU work in the namespace that no budget selects.")]
    public string? OutsideSelector { get; set; }

    [Items(0, 20)]
    [Description("The workloads that cost most by projection, at most 20.")]
    public IReadOnlyList<GpuBudgetWorkload>? Workloads { get; set; }

    [Items(0, 10)]
    [Description("Workloads that cost something in this window and hold no GPUs any more, the most expensive first, at most 10.")]
    public IReadOnlyList<GpuBudgetEnded>? Ended { get; set; }

    [Items(0, 50)]
    [Description("Workloads that Bursar has suspended, oldest first, at most 50; suspendedCount counts all.")]
    public IReadOnlyList<GpuBudgetSuspended>? Suspended { get; set; }

    [Description("The number of workloads that Bursar has suspended.")]
    public int? SuspendedCount { get; set; }

    [Items(0, 10)]
    [Description("The last decisions that did or would have done something, newest first, at most 10.")]
    public IReadOnlyList<GpuBudgetDecision>? Decisions { get; set; }

    [Items(0, 32)]
    [ListType("map", "type")]
    [Description(
        "Ready, WithinBudget, ProjectedWithinBudget, FullyEnforceable, MeteringFresh, PricesTrusted; MinimumReplicasExceedLimit, "
            + "BreakerOpen and Contested when they hold."
    )]
    public IReadOnlyList<V1Condition>? Conditions { get; set; }

    /// <summary>Takes away what no later evaluation reads: sentences and figures of work and decisions are most of a status.</summary>
    public void Slim()
    {
        Workloads = Workloads
            ?.Select(w => new GpuBudgetWorkload
            {
                Name = w.Name,
                State = w.State,
                Reason = Mark(w.Reason),
            })
            .ToArray();
        Ended = Ended?.Select(one => new GpuBudgetEnded { Name = one.Name, Steps = one.Steps }).ToArray();
        Decisions = Decisions?.Take(1).Select(d => new GpuBudgetDecision { Time = d.Time }).ToArray();
    }

    /// <summary>Stands for a sentence: whether it is another one is all that is asked of it. Within this process alone.</summary>
    public static string? Mark(string? sentence) =>
        sentence is null or ['#', ..]
            ? sentence
            : string.Create(CultureInfo.InvariantCulture, $"#{string.GetHashCode(sentence, StringComparison.Ordinal)}");
}

public sealed class GpuBudgetStatusWindow
{
    [Format("date-time")]
    [Length(0, 64)]
    [Description("The first moment of the window.")]
    public string? Start { get; set; }

    [Format("date-time")]
    [Length(0, 64)]
    [Description("The end of the window, not included.")]
    public string? End { get; set; }
}

public sealed class GpuBudgetUnstoppable
{
    [Length(0, 40)]
    [Description("What it costs per hour.")]
    public string? RatePerHour { get; set; }

    [Length(0, 40)]
    [Description("What it costs from now to the end of the window.")]
    public string? UntilWindowEnd { get; set; }

    [Items(0, 20)]
    [ItemLength(0, 320)]
    [Description("Its names as Kind/name, at most 20.")]
    public IReadOnlyList<string>? Workloads { get; set; }
}

public sealed class GpuBudgetWorkload
{
    [Length(0, 63)]
    [Description("The kind of the top workload.")]
    public string? Kind { get; set; }

    [Length(0, 253)]
    [Description("Its name.")]
    public string? Name { get; set; }

    [Length(0, 32)]
    [Description("training, inference or interactive.")]
    public string? Class { get; set; }

    [Length(0, 32)]
    [Description(
        "Running, Pending, SuspendedByBudget (by this one), SuspendedByOtherBudget (by others alone) or SuspendedByOther (by a user or another controller)."
    )]
    public string? State { get; set; }

    [Description("The GPUs that its spec asks for at full size.")]
    public int? Gpus { get; set; }

    [Length(0, 40)]
    [Description("What those GPUs cost per hour.")]
    public string? RatePerHour { get; set; }

    [Length(0, 40)]
    [Description("What it has cost in this window.")]
    public string? Spent { get; set; }

    [Length(0, 40)]
    [Description("What its whole run will have cost when it is finished.")]
    public string? Projected { get; set; }

    [Description("When it is expected to end.")]
    public GpuBudgetEta? Eta { get; set; }

    [Length(0, 40)]
    [Description(
        "Who measures what its GPUs do, while it runs: agent, dcgm-exporter, or api where neither does and only the API server's times are known; several where its nodes differ."
    )]
    public string? MeteredBy { get; set; }

    [Length(0, 1024)]
    [Description("Why it is in this state.")]
    public string? Reason { get; set; }

    [Description(
        "What a unit of its output costs, idle time included: over the UTC days of this window; absent where nothing was measured."
    )]
    public GpuBudgetUnitCosts? UnitCosts { get; set; }
}

public sealed class GpuBudgetEnded
{
    [Length(0, 63)]
    [Description("The kind of the workload.")]
    public string? Kind { get; set; }

    [Length(0, 253)]
    [Description("Its name.")]
    public string? Name { get; set; }

    [Length(0, 32)]
    [Description("training, inference or interactive.")]
    public string? Class { get; set; }

    [Length(0, 40)]
    [Description("What it cost in this window.")]
    public string? Spent { get; set; }

    [Description("The last training step that it reported.")]
    public long? Steps { get; set; }

    [Description("What a unit of its output cost, idle time included; per step at its last pace and rate.")]
    public GpuBudgetUnitCosts? UnitCosts { get; set; }
}

public sealed class GpuBudgetUnitCosts
{
    [Length(0, 40)]
    [Description("Per GPU and hour.")]
    public string? PerGpuHour { get; set; }

    [Length(0, 40)]
    [Description("Per 1,000 tokens, prompt and generated together.")]
    public string? PerThousandTokens { get; set; }

    [Length(0, 40)]
    [Description("Per request that ended.")]
    public string? PerRequest { get; set; }

    [Length(0, 40)]
    [Description("Per training step, at its present pace and rate.")]
    public string? PerStep { get; set; }

    [Length(0, 40)]
    [Description("Joules per token, prompt and generated together.")]
    public string? JoulesPerToken { get; set; }
}

public sealed class GpuBudgetEta
{
    [Format("date-time")]
    [Length(0, 64)]
    [Description("The early end of the estimate.")]
    public string? Low { get; set; }

    [Format("date-time")]
    [Length(0, 64)]
    [Description("The likely end.")]
    public string? Likely { get; set; }

    [Format("date-time")]
    [Length(0, 64)]
    [Description("The late end of the estimate.")]
    public string? High { get; set; }

    [Length(0, 32)]
    [Description("What the estimate is made of, such as progress, reported, completions, declared, series or unknown.")]
    public string? Source { get; set; }
}

public sealed class GpuBudgetSuspended
{
    [Length(0, 63)]
    [Description("The kind of the suspended workload.")]
    public string? Kind { get; set; }

    [Length(0, 253)]
    [Description("Its name.")]
    public string? Name { get; set; }

    [Format("date-time")]
    [Length(0, 64)]
    [Description("When it was suspended.")]
    public string? Since { get; set; }

    [Length(0, 128)]
    [Description("Why.")]
    public string? Reason { get; set; }

    [Length(0, 40)]
    [Description("What it would cost to finish.")]
    public string? CostToFinish { get; set; }
}

public sealed class GpuBudgetDecision
{
    [Format("date-time")]
    [Length(0, 64)]
    [Description("When it was taken.")]
    public string? Time { get; set; }

    [Length(0, 64)]
    [Description("What was done, such as Suspend or Resume; in mode Observe, what would have been done.")]
    public string? Action { get; set; }

    [Length(0, 320)]
    [Description("The workload, as Kind/name.")]
    public string? Object { get; set; }

    [Length(0, 128)]
    [Description("Why, as one word.")]
    public string? Reason { get; set; }

    [Length(0, 1024)]
    [Description("Why, as a sentence with the amounts in it.")]
    public string? Message { get; set; }

    [Description("The amounts that it was taken on.")]
    public GpuBudgetDecisionAmounts? Amounts { get; set; }
}

public sealed class GpuBudgetDecisionAmounts
{
    [Length(0, 40)]
    [Description("The limit of the window with its top-ups.")]
    public string? Limit { get; set; }

    [Length(0, 40)]
    [Description("Spent by then.")]
    public string? Spent { get; set; }

    [Length(0, 40)]
    [Description("Reserved by then.")]
    public string? Reserved { get; set; }

    [Length(0, 40)]
    [Description("Projected by then.")]
    public string? Projected { get; set; }

    [Length(0, 40)]
    [Description("What the workload would have cost to finish.")]
    public string? CostToFinish { get; set; }
}
