using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Reports;

/// <summary>By what a report's rows are told apart.</summary>
public enum ReportBy
{
    Namespace,
    Workload,
    Model,
    Day,
}

/// <summary>One line of the bill. Fields that the grouping does not tell apart are empty.</summary>
public sealed record ReportRow
{
    /// <summary>The UTC day, as <c>2026-11-21</c>.</summary>
    public string Day { get; init; } = "";

    public string Namespace { get; init; } = "";

    public string Kind { get; init; } = "";

    public string Workload { get; init; } = "";

    /// <summary>Empty for work that serves no model.</summary>
    public string Model { get; init; } = "";

    /// <summary>
    /// The product that a workload ran on for the most of its time, as whole cards; empty where it was slices, and in other rows.
    /// </summary>
    public string Product { get; init; } = "";

    /// <summary>What the row's work cost inside the interval, exactly.</summary>
    public required Amount Spent { get; init; }

    /// <summary>GPU-milliseconds billed inside the interval.</summary>
    public required Int128 ReservedGpuMs { get; init; }

    /// <summary>GPU-milliseconds inside the interval that have no price.</summary>
    public required Int128 UnpricedGpuMs { get; init; }

    /// <summary>What the row's work did on the UTC days that the interval touches.</summary>
    public required WorkDone Done { get; init; }
}

/// <summary>
/// What work did on whole UTC days, as agents measured, and what the same days cost: measurements are kept by day, and a unit's cost is
/// the cost of the same time.
/// </summary>
public sealed record WorkDone
{
    public required Amount Spent { get; init; }

    public required Int128 ReservedGpuMs { get; init; }

    public required UsageSums Usage { get; init; }

    /// <summary>
    /// The part of <see cref="Spent"/> and of the energy that is of work which serves: what a token or a request costs is its, and not the
    /// training's beside it.
    /// </summary>
    public required (Amount Spent, long EnergyMj) Serving { get; init; }

    /// <summary>
    /// How far training has come since it began, and what it cost since then, where somebody told; null for other rows than a workload's.
    /// </summary>
    public (long Steps, Amount Spent)? Training { get; init; }

    public TokenSums Tokens => Usage.Tokens.Values.Aggregate(TokenSums.None, (sum, one) => sum + one);

    /// <summary>
    /// The part of the billed time that an agent measured; what was not measured has no tokens, and unit costs come out too high by it.
    /// </summary>
    public double Measured => ReservedGpuMs > 0 ? Math.Min(1, Usage.MeasuredMs / (double)ReservedGpuMs) : 0;

    /// <summary>The part of the measured time in which the GPU worked; null where nothing was measured.</summary>
    public double? Activity => Usage.MeasuredMs > 0 ? Math.Min(1, Usage.BusyMs / (double)Usage.MeasuredMs) : null;

    /// <summary>The device memory held on average while it was measured, in MiB; null where the driver does not tell.</summary>
    public double? MemoryMiB => Usage is { MeasuredMs: > 0, MemoryMiBMs: > 0 } ? Usage.MemoryMiBMs / (double)Usage.MeasuredMs : null;

    /// <summary>
    /// The most device memory that a model server needed at a time, in MiB, by its own metrics; null where these do not tell.
    /// </summary>
    public double? NeededMiB => Usage.NeededMiB > 0 ? Usage.NeededMiB : null;

    /// <summary>
    /// What the measured idle time cost: the same part of the money as of the time. A slice's measured time counts as the part of a GPU
    /// that it is billed as.
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

    public static WorkDone Of(IEnumerable<WorkloadSpend> work)
    {
        var (spent, reserved, usage, serving) = (Amount.Zero, (Int128)0, UsageSums.None, (Spent: Amount.Zero, EnergyMj: 0L));
        foreach (var one in work)
        {
            (spent, reserved, usage) = (spent + one.DaysSpent, reserved + one.DaysReservedGpuMs, usage + one.Usage);
            // Also where it is training's word that it is: a batch run that generates is paid for by its tokens.
            if (one.Class == WorkloadClass.Inference || one.Usage.Tokens.Count > 0)
                serving = (serving.Spent + one.DaysSpent, serving.EnergyMj + one.Usage.EnergyMj);
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
