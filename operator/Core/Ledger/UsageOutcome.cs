namespace Bursar.Core.Ledger;

/// <summary>What came of an agent's report.</summary>
public sealed record UsageOutcome
{
    /// <summary>Intervals and token samples that were new.</summary>
    public int Applied { get; init; }

    /// <summary>Entries that the ledger had already, or that belong to an epoch left behind.</summary>
    public int Repeated { get; init; }

    /// <summary>Entries that name no pod; their device time is counted by reason.</summary>
    public int Unattributed { get; init; }

    /// <summary>Why entries are missing between the last report and this one; null when none are.</summary>
    public string? Gap { get; init; }

    /// <summary>The report answers a question beyond the cursor and was not taken: ask again from the cursor.</summary>
    public bool Refused { get; init; }
}
