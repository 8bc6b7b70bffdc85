using Bursar.Core.Money;

namespace Bursar.Core.Ledger;

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
