using Bursar.Core.Money;

namespace Bursar.Core.Ledger;

/// <summary>The measurements of one pod on one UTC day.</summary>
internal sealed class DayUsage(int day)
{
    /// <summary>
    /// Model names come from metrics that Bursar does not control. Further ones are summed under <see cref="OtherModels"/>.
    /// </summary>
    public const int MaxModels = 8;

    public const string OtherModels = "other";

    /// <summary>The most cuts of one day, so that a pod's record stays small.</summary>
    private const int MaxCuts = 8;

    public int Day { get; } = day;

    public long MeasuredMs { get; set; }

    public long BusyMs { get; set; }

    public long EnergyMj { get; set; }

    /// <summary>The CO2e of the energy, at the grid intensity of the time of use.</summary>
    public Amount Co2e { get; set; }

    public long MemoryMiBMs { get; set; }

    /// <summary>The largest amount of device memory needed at a time. Zero: unknown.</summary>
    public long NeededMiB { get; set; }

    public SortedDictionary<string, TokenSums>? Tokens { get; set; }

    /// <summary>
    /// The shard of its day, once the day is over for the pod. Until that is written, the pod's own record keeps the day as well. If both
    /// have it after a crash, the pod's counts, because it matches the pod's position in the journal.
    /// </summary>
    public BillShard? Shard { get; set; }

    /// <summary>The first revision of <see cref="Shard"/> that contains the whole day.</summary>
    public long ClosedAt { get; set; } = long.MaxValue;

    public bool IsClosed => ClosedAt != long.MaxValue;

    public bool IsKeptByItsShard => Shard is { } shard && shard.Written >= ClosedAt;

    /// <summary>The parts of the day from each time on from which a limit counts. Few days have any.</summary>
    public List<UsageSince> Since { get; } = [];

    /// <summary>
    /// Adds the parts from the cuts within this day on that are still exact, because nothing after them was recorded yet.
    /// </summary>
    /// <param name="cuts">The cuts in force, in order.</param>
    /// <param name="recordedTo">The time up to which measurements of the pod were recorded; null if unknown.</param>
    public void Cut(IReadOnlyList<long> cuts, long? recordedTo)
    {
        var isEmpty = EnergyMj == 0 && Tokens is null;
        foreach (var cut in cuts)
        {
            if (
                cut <= UtcDay.Start(Day)
                || cut >= UtcDay.Start(Day + 1)
                || !(isEmpty || recordedTo <= cut)
                || Since.Exists(one => one.At == cut)
            )
                continue;
            if (Since.Count >= MaxCuts)
                Since.RemoveAll(one => !cuts.Contains(one.At));
            if (Since.Count < MaxCuts)
                Since.Add(new(cut));
        }
    }

    /// <summary>Returns all that was measured on this day, in units of an <see cref="Amount"/>.</summary>
    public Int128 UnitsOf(UsageUnit unit) => UnitsOf(unit, EnergyMj, Co2e, Tokens?.Values.Sum(sums => sums.Both) ?? 0);

    /// <summary>Returns what was measured from a cut on; null if this day has no such cut.</summary>
    public Int128? UnitsSince(long cut, UsageUnit unit) =>
        Since.Find(one => one.At == cut) is { } since ? UnitsOf(unit, since.EnergyMj, since.Co2e, since.Tokens) : null;

    private static Int128 UnitsOf(UsageUnit unit, long energyMj, Amount co2e, long tokens) =>
        unit switch
        {
            // 3.6 billion millijoules are a kilowatt-hour.
            UsageUnit.Energy => (Int128)energyMj * 1_000_000,
            UsageUnit.Co2e => co2e.Units,
            _ => tokens * UnitsPerToken,
        };

    private static readonly Int128 UnitsPerToken = (Int128)Amount.UnitsPerNano * 1_000_000_000;

    public void Add(string model, TokenSums grown)
    {
        Tokens ??= new(StringComparer.Ordinal);
        Tokens[model] = Tokens.TryGetValue(model, out var sum) ? sum + grown : grown;
    }
}
