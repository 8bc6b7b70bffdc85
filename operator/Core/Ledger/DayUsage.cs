namespace Bursar.Core.Ledger;

/// <summary>What agents measured of one pod on one UTC day.</summary>
internal sealed class DayUsage(int day)
{
    /// <summary>Models come from strangers' metrics; further ones are summed under <see cref="OtherModels"/>.</summary>
    public const int MaxModels = 8;

    public const string OtherModels = "other";

    public int Day { get; } = day;

    public long MeasuredMs { get; set; }

    public long BusyMs { get; set; }

    public long EnergyMj { get; set; }

    public long MemoryMiBMs { get; set; }

    /// <summary>The most that was needed of a device at a time; zero where that is not known.</summary>
    public long NeededMiB { get; set; }

    public SortedDictionary<string, TokenSums>? Tokens { get; set; }

    /// <summary>
    /// The shard of its day, once the day is over for the pod. Until a write of it went through the pod's own record keeps the day
    /// as well, and where both have it, after a crash, the pod's goes before: it is as far as its place in the journal is.
    /// </summary>
    public BillShard? Shard { get; set; }

    /// <summary>The first revision of <see cref="Shard"/> that has all of the day.</summary>
    public long ClosedAt { get; set; } = long.MaxValue;

    public bool IsClosed => ClosedAt != long.MaxValue;

    public bool IsKeptByItsShard => Shard is { } shard && shard.Written >= ClosedAt;

    public void Add(string model, TokenSums grown)
    {
        Tokens ??= new(StringComparer.Ordinal);
        Tokens[model] = Tokens.TryGetValue(model, out var sum) ? sum + grown : grown;
    }
}
