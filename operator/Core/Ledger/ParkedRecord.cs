using Bursar.Core.Money;

namespace Bursar.Core.Ledger;

/// <summary>
/// One field that Bursar changed to stop work, with what stood there before. Bursar gives back what stands here and
/// nothing else; annotations only mirror it.
/// </summary>
public sealed record ParkedRecord
{
    public required string ApiVersion { get; init; }

    public required string Kind { get; init; }

    public required string Namespace { get; init; }

    public required string Name { get; init; }

    public required string Uid { get; init; }

    /// <summary>
    /// The object that was written, where that is not the workload itself but what whoever manages it goes by; null in all other records.
    /// </summary>
    public ParkedTarget? Target { get; init; }

    /// <summary>
    /// Objects of the same kind whose field was set with it, as the slices of an elastic job are; null where there are none.
    /// </summary>
    public IReadOnlyList<ParkedTarget>? Also { get; init; }

    /// <summary>
    /// How many replicas ran when it was stopped through another object: it is for that one's manager to bring them back. Null: not counted
    /// so.
    /// </summary>
    public int? Replicas { get; init; }

    /// <summary>JSON pointer, as <c>/spec/suspend</c>.</summary>
    public required string Field { get; init; }

    /// <summary>The field's value before, as JSON; <c>null</c> where it was absent.</summary>
    public required string Original { get; init; }

    /// <summary>The value that Bursar set, as JSON.</summary>
    public required string Value { get; init; }

    public required DateTimeOffset Since { get; init; }

    public required string Reason { get; init; }

    /// <summary>Names the cause of the parking; at most one automatic resume per cause.</summary>
    public string Cause { get; set; } = "";

    public required string Budget { get; init; }

    public required string BudgetUid { get; init; }

    public Amount CostToFinish { get; init; }

    /// <summary>What makes such runs and was suspended with this one; null where nothing was.</summary>
    public HeldMaker? Maker { get; init; }

    /// <summary>
    /// The labels that the budget's selectors asked about when it was parked, <c>null</c> where it had none: parked work stays the
    /// budget's by what it said then. Absent where they asked about none.
    /// </summary>
    public IReadOnlyDictionary<string, string?>? Labels { get; init; }

    /// <summary>Its class then, likewise. Absent in old records.</summary>
    public WorkClass? Class { get; init; }

    /// <summary>The labels that count, of those that stand on the work now.</summary>
    public IReadOnlyDictionary<string, string> Keep(IReadOnlyDictionary<string, string> now)
    {
        if (Labels is null)
            return now;
        var kept = now.ToDictionary(pair => pair.Key, pair => pair.Value, StringComparer.Ordinal);
        foreach (var (key, then) in Labels)
            if (then is null)
                kept.Remove(key);
            else
                kept[key] = then;
        return kept;
    }
}

/// <summary>An object of the workload's namespace, by which its manager goes.</summary>
public sealed record ParkedTarget(string ApiVersion, string Kind, string Name, string Uid);

/// <summary>A decision with what it was taken from, so that it can be taken again and compared.</summary>
public sealed record DecisionRecord
{
    public required DateTimeOffset Time { get; init; }

    public required string Action { get; init; }

    /// <summary>As <c>Job/llama-finetune</c>; the budget itself where empty.</summary>
    public string Object { get; set; } = "";

    public required string Reason { get; init; }

    public required string Text { get; init; }

    /// <summary>What the budget held when it was taken.</summary>
    public Amount? Limit { get; init; }

    public Amount? Spent { get; init; }

    /// <summary>The snapshot it was decided from, as <c>DecisionInputs</c> writes it.</summary>
    public string Inputs { get; set; } = "";
}
