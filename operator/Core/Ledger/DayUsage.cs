namespace Bursar.Core.Ledger;

/// <summary>The measurements of one pod on one UTC day.</summary>
internal sealed class DayUsage(int day)
{
    /// <summary>
    /// Model names come from metrics that Bursar does not control. Further ones are summed under <see cref="OtherModels"/>.
    /// </summary>
    public const int MaxModels = 8;

    public const string OtherModels = "other";

    public int Day { get; } = day;

    public long MeasuredMs { get; set; }

    public long BusyMs { get; set; }

    public long EnergyMj { get; set; }

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

    public void Add(string model, TokenSums grown)
    {
        Tokens ??= new(StringComparer.Ordinal);
        Tokens[model] = Tokens.TryGetValue(model, out var sum) ? sum + grown : grown;
    }
}
