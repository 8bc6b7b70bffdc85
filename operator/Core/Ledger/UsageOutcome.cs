namespace Bursar.Core.Ledger;

/// <summary>The result of recording an agent's report.</summary>
public sealed record UsageOutcome
{
    /// <summary>The number of new entries.</summary>
    public int Applied { get; init; }

    /// <summary>The number of entries that the ledger already had, or that belong to a former epoch.</summary>
    public int Repeated { get; init; }

    /// <summary>The number of entries without a pod. Their device time is counted by reason.</summary>
    public int Unattributed { get; init; }

    /// <summary>Why entries between the last report and this one are missing. Null: none are.</summary>
    public string? Gap { get; init; }

    /// <summary>The report starts beyond the ledger's cursor and was not recorded. Read again from the cursor.</summary>
    public bool Refused { get; init; }
}
