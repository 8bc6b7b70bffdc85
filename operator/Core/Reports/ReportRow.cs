using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Reports;

/// <summary>The grouping of a report's rows.</summary>
public enum ReportBy
{
    Namespace,
    Workload,
    Model,
    Day,
}

/// <summary>One line of the bill. Fields that the grouping does not use are empty.</summary>
public sealed record ReportRow
{
    /// <summary>The UTC day, such as <c>2026-11-21</c>.</summary>
    public string Day { get; init; } = "";

    public string Namespace { get; init; } = "";

    public string Kind { get; init; } = "";

    public string Workload { get; init; } = "";

    /// <summary>Empty for workloads that serve no model.</summary>
    public string Model { get; init; } = "";

    /// <summary>The product that a workload used for most of its time, as whole cards. Empty for slices and in other groupings.</summary>
    public string Product { get; init; } = "";

    /// <summary>The exact cost inside the interval.</summary>
    public required Amount Spent { get; init; }

    /// <summary>The GPU-milliseconds billed inside the interval.</summary>
    public required Int128 ReservedGpuMs { get; init; }

    /// <summary>The GPU-milliseconds inside the interval without a price.</summary>
    public required Int128 UnpricedGpuMs { get; init; }

    /// <summary>The usage on the UTC days that the interval touches.</summary>
    public required WholeDayUsage WholeDays { get; init; }
}

/// <summary>
/// The usage on whole UTC days, as measured by agents, and the cost of the same days. Measurements are kept by day, and unit costs need
/// cost and usage of the same time.
/// </summary>
public sealed record WholeDayUsage
{
    public required Amount Spent { get; init; }

    public required Int128 ReservedGpuMs { get; init; }

    public required UsageSums Usage { get; init; }

    /// <summary>
    /// The part of <see cref="Spent"/> and of the energy that belongs to serving workloads. Costs per token and request are computed from
    /// it, without training in the same row.
    /// </summary>
    public required (Amount Spent, long EnergyMj) Serving { get; init; }

    /// <summary>
    /// The steps of a training since it began, and its cost since then. Null: not reported, or not the row of a workload.
    /// </summary>
    public (long Steps, Amount Spent)? Training { get; init; }

    public TokenSums Tokens => Usage.Tokens.Values.Aggregate(TokenSums.None, (sum, tokens) => sum + tokens);

    /// <summary>The measured share of the billed time. Unmeasured time has no tokens, so unit costs are too high by it.</summary>
    public double Measured => ReservedGpuMs > 0 ? Math.Min(1, Usage.MeasuredMs / (double)ReservedGpuMs) : 0;

    /// <summary>The share of the measured time in which the GPU worked. Null: nothing was measured.</summary>
    public double? Activity => Usage.MeasuredMs > 0 ? Math.Min(1, Usage.BusyMs / (double)Usage.MeasuredMs) : null;

    /// <summary>The average device memory in use while measured, in MiB. Null: not reported by the driver.</summary>
    public double? MemoryMiB => Usage is { MeasuredMs: > 0, MemoryMiBMs: > 0 } ? Usage.MemoryMiBMs / (double)Usage.MeasuredMs : null;

    /// <summary>
    /// The largest amount of device memory that a model server needed at a time, in MiB, by its own metrics. Null: not reported.
    /// </summary>
    public double? NeededMiB => Usage.NeededMiB > 0 ? Usage.NeededMiB : null;

    /// <summary>
    /// The cost of the measured idle time, in proportion to the time. A slice's measured time counts as the part of a GPU that it is billed
    /// as.
    /// </summary>
    public Amount Idle
    {
        get
        {
            if (Usage.MeasuredMs <= 0 || ReservedGpuMs <= 0)
                return Amount.Zero;
            var idle = (long)(Int128.Min(ReservedGpuMs, Usage.MeasuredMs) * Usage.IdleMs / Usage.MeasuredMs);
            return Spent.Split([idle, (long)ReservedGpuMs - idle])[0];
        }
    }

    public static WholeDayUsage From(IEnumerable<WorkloadSpend> work)
    {
        var (spent, reserved, usage, serving) = (Amount.Zero, (Int128)0, UsageSums.None, (Spent: Amount.Zero, EnergyMj: 0L));
        foreach (var spend in work)
        {
            (spent, reserved, usage) = (spent + spend.DaysSpent, reserved + spend.DaysReservedGpuMs, usage + spend.Usage);
            // A batch job that generates tokens counts as serving too, even if its class is training.
            if (spend.Class == WorkloadClass.Inference || spend.Usage.Tokens.Count > 0)
                serving = (serving.Spent + spend.DaysSpent, serving.EnergyMj + spend.Usage.EnergyMj);
        }
        return new()
        {
            Spent = spent,
            ReservedGpuMs = reserved,
            Usage = usage,
            Serving = serving,
        };
    }
}
