using Bursar.Core.Money;

namespace Bursar.Core.Ledger;

/// <summary>A decision with its inputs, so that it can be repeated and compared.</summary>
public sealed record DecisionRecord
{
    public required DateTimeOffset Time { get; init; }

    public required string Action { get; init; }

    /// <summary>Such as <c>Job/llama-finetune</c>. Empty: the budget itself.</summary>
    public string Object { get; set; } = "";

    public required string Reason { get; init; }

    public required string Text { get; init; }

    /// <summary>The budget's limit at the decision.</summary>
    public Amount? Limit { get; init; }

    public Amount? Spent { get; init; }

    /// <summary>The snapshot of the decision, as written by <c>DecisionInputs</c>.</summary>
    public string Inputs { get; set; } = "";
}
