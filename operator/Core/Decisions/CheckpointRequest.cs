namespace Bursar.Core.Decisions;

/// <summary>
/// A request for a checkpoint before a suspension. The budget's memory stores it before it is published, so that a restart neither repeats
/// it nor restarts the wait.
/// </summary>
public sealed record CheckpointRequest
{
    /// <summary>The name of the request: the budget and the second of the request.</summary>
    public required string Id { get; init; }

    /// <summary>The workload, such as <c>Job/llama-finetune</c>.</summary>
    public required string Work { get; init; }

    /// <summary>A whole second, like the times in annotations. A checkpoint of the same second answers the request.</summary>
    public required DateTimeOffset Requested { get; init; }

    /// <summary>When the workload is suspended without an answer.</summary>
    public required DateTimeOffset Deadline { get; init; }

    /// <summary>The sentence of the later suspension.</summary>
    public required string Sentence { get; init; }

    /// <summary>The reason, and the state of the budget at the request. Only a later change of that state withdraws the request.</summary>
    public required SuspendedSnapshot For { get; init; }

    public static string IdOf(string budgetNamespace, string budget, DateTimeOffset requested) =>
        PrefixOf(budgetNamespace, budget) + Text.Rfc3339.Format(requested);

    /// <summary>Returns the beginning of the IDs of a budget's requests. No name of a GpuBudget has a colon.</summary>
    public static string PrefixOf(string budgetNamespace, string budget) =>
        budgetNamespace.Length > 0 ? budget + "/" : $"cluster:{budget}/";
}

/// <summary>A completely written checkpoint, and its step. A null step is unknown.</summary>
public sealed record CheckpointMark(DateTimeOffset At, long? Step)
{
    /// <summary>Returns the later of two marks. If its step is unknown, it is at least the step of the earlier one.</summary>
    public static CheckpointMark? Later(CheckpointMark? first, CheckpointMark? second) =>
        first is null ? second
        : second is null ? first
        : first.At >= second.At
            ? first.Step is null ? first with { Step = second.Step }
                : first
        : second.Step is null ? second with { Step = first.Step }
        : second;
}
