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

    /// <summary>What the row's work cost inside the interval, exactly.</summary>
    public required Amount Spent { get; init; }

    /// <summary>GPU-milliseconds billed inside the interval.</summary>
    public required Int128 ReservedGpuMs { get; init; }

    /// <summary>GPU-milliseconds inside the interval that have no price.</summary>
    public required Int128 UnpricedGpuMs { get; init; }

    /// <summary>What the row's work did since it began; null by day, because the ledger keeps no usage by day.</summary>
    public LifeUsage? Life { get; init; }
}

/// <summary>
/// What work did and cost over its whole life, whatever the report's interval: agents' measurements are sums since a pod began, so
/// unit costs divide the cost of the same time by them.
/// </summary>
public sealed record LifeUsage
{
    public required Amount Spent { get; init; }

    public required Int128 ReservedGpuMs { get; init; }

    public required long MeasuredMs { get; init; }

    public required long BusyMs { get; init; }

    public required long EnergyMj { get; init; }

    public required TokenSums Tokens { get; init; }

    /// <summary>How far training has come, where somebody told; null for other rows than a workload's.</summary>
    public long? Steps { get; init; }

    /// <summary>The part of the billed time that an agent measured; what was not measured has no tokens, and unit costs come out too high by it.</summary>
    public double Measured => ReservedGpuMs > 0 ? Math.Min(1, MeasuredMs / (double)ReservedGpuMs) : 0;

    /// <summary>The part of the measured time in which the GPU worked; null where nothing was measured.</summary>
    public double? Activity => MeasuredMs > 0 ? Math.Min(1, BusyMs / (double)MeasuredMs) : null;

    /// <summary>What the measured idle time cost: the same part of the money as of the time. A slice's measured time counts as the part of a GPU that it is billed as.</summary>
    public Amount Idle
    {
        get
        {
            if (MeasuredMs <= 0 || ReservedGpuMs <= 0) return Amount.Zero;
            var idle = (long)(Int128.Min(ReservedGpuMs, MeasuredMs) * IdleMs / MeasuredMs);
            return Spent.Split([idle, (long)ReservedGpuMs - idle])[0];
        }
    }

    private long IdleMs => Math.Max(0, MeasuredMs - BusyMs);
}
