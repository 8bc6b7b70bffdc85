using Bursar.Core.Money;

namespace Bursar.Core.Ledger;

/// <summary>How the ledger divides measurements as it records them. Not stored. Times are milliseconds since 1970.</summary>
/// <param name="Cuts">The times from which a limit counts measurements, in order.</param>
/// <param name="Intensity">The grid intensity; null if the price book has none.</param>
internal sealed record Measuring(IReadOnlyList<long> Cuts, GridIntensity? Intensity)
{
    public static readonly Measuring None = new([], null);

    /// <summary>
    /// Returns the beginnings of the parts of an interval. It is divided at midnight UTC, at the cuts, and where the grid intensity changes.
    /// </summary>
    public IReadOnlyList<long> PartsOf(long from, long to)
    {
        var midnight = UtcDay.Start(UtcDay.From(from) + 1);
        if (to <= midnight && Cuts.Count == 0 && Intensity is null)
            return [from];
        var starts = new SortedSet<long> { from };
        for (; midnight < to; midnight += UtcDay.Milliseconds)
            starts.Add(midnight);
        starts.UnionWith(Cuts.Where(cut => cut > from && cut < to));
        if (Intensity is not null)
            starts.UnionWith(Intensity.ChangesBetween(from, to));
        return [.. starts];
    }

    /// <summary>
    /// Returns the CO2e of an amount of energy. One millijoule at one milligram per kWh is exactly one unit of an <see cref="Amount"/> in
    /// kilograms.
    /// </summary>
    public Amount Co2eOf(long energyMj, long at) => new((Int128)energyMj * (Intensity?.At(at) ?? 0));
}

/// <summary>The measurements that a limit counts, from a time within a day on.</summary>
internal sealed class UsageSince(long at)
{
    public long At { get; } = at;

    public long EnergyMj { get; set; }

    public Amount Co2e { get; set; }

    public long Tokens { get; set; }
}
