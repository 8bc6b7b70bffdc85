using Bursar.Core.Money;

namespace Bursar.Core.Ledger;

/// <summary>
/// One stretch of a pod's billed time at one rate. Entries are computed, so a price change or an unreachable node cuts a pod's lifetime
/// without rewriting stored records. <see cref="To"/> is null while the pod runs. <see cref="Rate"/> is null while the product has no
/// price.
/// </summary>
public sealed record LedgerEntry(
    string PodUid,
    string Pod,
    WorkloadKey Workload,
    WorkloadClass Class,
    string Node,
    string Product,
    int Gpus,
    GpuHourPrice? Rate,
    DateTimeOffset From,
    DateTimeOffset? To
)
{
    /// <summary>The part of a device that each of the <see cref="Gpus"/> is. <see cref="Rate"/> applies to that part.</summary>
    public DeviceShare Share { get; init; } = DeviceShare.Whole;

    /// <summary>The capacity type of the node; empty if unknown.</summary>
    public string CapacityType { get; init; } = "";
}

/// <summary>The cost of one workload in an interval, and the usage of its pods.</summary>
public sealed record WorkloadSpend
{
    public required WorkloadKey Workload { get; init; }

    public required WorkloadClass Class { get; init; }

    /// <summary>Exactly the sum of the entries inside the interval.</summary>
    public required Amount Spent { get; init; }

    /// <summary>The GPU-milliseconds billed inside the interval. A slice or slot counts its part. Truncated per pod.</summary>
    public required Int128 ReservedGpuMs { get; init; }

    /// <summary>The GPU-milliseconds inside the interval without a price.</summary>
    public required Int128 UnpricedGpuMs { get; init; }

    /// <summary>The devices of the pods that run at the end of the interval. <see cref="RatePerHour"/> is their rate.</summary>
    public required int Gpus { get; init; }

    public required HourlyCost RatePerHour { get; init; }

    /// <summary>
    /// For a limit on what is measured: the mean use of one GPU per hour, over all measured days of the pods. CO2e is at the mean grid
    /// intensity of a day, and <see cref="RatePerHour"/> at the present one. Null: nothing was measured.
    /// </summary>
    public GpuHourPrice? MeanRate { get; init; }

    /// <summary>The workload's first billed time, independent of the interval.</summary>
    public required DateTimeOffset Since { get; init; }

    /// <summary>The measurements of the UTC days that the interval touches, because they are kept by day.</summary>
    public required UsageSums Usage { get; init; }

    /// <summary>
    /// The cost and the reserved time of the same days, for comparison with <see cref="Usage"/>. They equal the interval's own if it
    /// consists of whole days or ends now.
    /// </summary>
    public required Amount DaysSpent { get; init; }

    public required Int128 DaysReservedGpuMs { get; init; }
}

/// <summary>The measurements of agents, which are shown and not billed.</summary>
/// <param name="MemoryMiBMs">Device memory in MiB times the milliseconds of its use.</param>
public sealed record UsageSums(long MeasuredMs, long BusyMs, long EnergyMj, long MemoryMiBMs, IReadOnlyDictionary<string, TokenSums> Tokens)
{
    public static readonly UsageSums None = new(0, 0, 0, 0, new Dictionary<string, TokenSums>());

    /// <summary>The largest amount of device memory that a model server needed at a time, in MiB. Zero: unknown.</summary>
    public long NeededMiB { get; init; }

    public long IdleMs => Math.Max(0, MeasuredMs - BusyMs);

    public static UsageSums operator +(UsageSums left, UsageSums right)
    {
        // Most workloads produce no tokens.
        var tokens = left.Tokens.Count == 0 ? right.Tokens : left.Tokens;
        if (left.Tokens.Count > 0 && right.Tokens.Count > 0)
        {
            var both = new SortedDictionary<string, TokenSums>(left.Tokens.ToDictionary(), StringComparer.Ordinal);
            foreach (var (model, sum) in right.Tokens)
                both[model] = both.TryGetValue(model, out var known) ? known + sum : sum;
            tokens = both;
        }
        return new(
            left.MeasuredMs + right.MeasuredMs,
            left.BusyMs + right.BusyMs,
            left.EnergyMj + right.EnergyMj,
            left.MemoryMiBMs + right.MemoryMiBMs,
            tokens
        )
        {
            NeededMiB = Math.Max(left.NeededMiB, right.NeededMiB),
        };
    }
}

/// <summary>The tokens of one model, and the number of completed requests.</summary>
public sealed record TokenSums(long Prompt, long Cached, long Generated, long Requests = 0)
{
    public static readonly TokenSums None = new(0, 0, 0);

    public long Both => Prompt + Generated;

    public static TokenSums operator +(TokenSums left, TokenSums right) =>
        new(left.Prompt + right.Prompt, left.Cached + right.Cached, left.Generated + right.Generated, left.Requests + right.Requests);
}

/// <summary>Spending at a constant rate. A null end is open.</summary>
public readonly record struct SpendSegment(DateTimeOffset From, DateTimeOffset? To, HourlyCost RatePerHour);
