using Bursar.Core.Money;

namespace Bursar.Core.Ledger;

/// <summary>
/// One stretch of a pod's billed time at one rate. Entries are computed: a price that changes or a node that is lost
/// cuts a pod's frame into several, and no stored record is rewritten. <see cref="To"/> is null while it runs;
/// <see cref="Rate"/> is null while the product has no price.
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
    /// <summary>What part of a device each of the <see cref="Gpus"/> is; <see cref="Rate"/> is of that part.</summary>
    public DeviceShare Share { get; init; } = DeviceShare.Whole;
}

/// <summary>What one workload cost in an interval, and what its pods did.</summary>
public sealed record WorkloadSpend
{
    public required WorkloadKey Workload { get; init; }

    public required WorkloadClass Class { get; init; }

    /// <summary>Exactly the sum of the entries inside the interval.</summary>
    public required Amount Spent { get; init; }

    /// <summary>GPU-milliseconds billed inside the interval, of a slice or slot its part; of each pod cut to whole ones.</summary>
    public required Int128 ReservedGpuMs { get; init; }

    /// <summary>GPU-milliseconds inside the interval that have no price.</summary>
    public required Int128 UnpricedGpuMs { get; init; }

    /// <summary>Devices held and price per hour of the pods that run at the interval's end.</summary>
    public required int Gpus { get; init; }

    public required HourlyCost RatePerHour { get; init; }

    /// <summary>The workload's first billed moment, whatever the interval.</summary>
    public required DateTimeOffset Since { get; init; }

    /// <summary>What agents measured on the UTC days that the interval touches: their measurements are kept by day.</summary>
    public required UsageSums Usage { get; init; }

    /// <summary>
    /// What the same days cost and held, so that cost and measurement are of one time; equal to the interval's own where it ends at
    /// midnights, or now.
    /// </summary>
    public required Amount DaysSpent { get; init; }

    public required Int128 DaysReservedGpuMs { get; init; }
}

/// <summary>What agents measured: not bound to a window, since it is shown and not billed.</summary>
/// <param name="MemoryMiBMs">Device memory in MiB times the milliseconds that it was held.</param>
public sealed record UsageSums(long MeasuredMs, long BusyMs, long EnergyMj, long MemoryMiBMs, IReadOnlyDictionary<string, TokenSums> Tokens)
{
    public static readonly UsageSums None = new(0, 0, 0, 0, new Dictionary<string, TokenSums>());

    /// <summary>The most memory of a device that a model server needed at a time, in MiB; zero where that is not known.</summary>
    public long NeededMiB { get; init; }

    public long IdleMs => Math.Max(0, MeasuredMs - BusyMs);

    public static UsageSums operator +(UsageSums left, UsageSums right)
    {
        // Most work makes none.
        var tokens = left.Tokens.Count == 0 ? right.Tokens : left.Tokens;
        if (left.Tokens.Count > 0 && right.Tokens.Count > 0)
        {
            var both = new SortedDictionary<string, TokenSums>(left.Tokens.ToDictionary(), StringComparer.Ordinal);
            foreach (var (model, sum) in right.Tokens)
                both[model] = both.TryGetValue(model, out var one) ? one + sum : sum;
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

/// <summary>Tokens of one model, and the requests that ended.</summary>
public sealed record TokenSums(long Prompt, long Cached, long Generated, long Requests = 0)
{
    public static readonly TokenSums None = new(0, 0, 0);

    public long Both => Prompt + Generated;

    public static TokenSums operator +(TokenSums left, TokenSums right) =>
        new(left.Prompt + right.Prompt, left.Cached + right.Cached, left.Generated + right.Generated, left.Requests + right.Requests);
}

/// <summary>A constant spend from one moment to another (null: on and on), per hour.</summary>
public readonly record struct SpendSegment(DateTimeOffset From, DateTimeOffset? To, HourlyCost RatePerHour);
