namespace Bursar.Core.Decisions;

/// <summary>
/// Work that is about to be suspended was asked to write a checkpoint first. Kept in the budget's memory, and so in the ledger before anybody
/// is told: a restart neither asks twice nor waits anew.
/// </summary>
public sealed record CheckpointRequest
{
    /// <summary>Names the request: the budget, and the second in which it was made.</summary>
    public required string Id { get; init; }

    /// <summary>Of whom, as <c>Job/llama-finetune</c>.</summary>
    public required string Work { get; init; }

    /// <summary>A whole second, as annotations tell times: a checkpoint of this second answers it.</summary>
    public required DateTimeOffset Requested { get; init; }

    /// <summary>From then on the work is suspended without an answer.</summary>
    public required DateTimeOffset Deadline { get; init; }

    /// <summary>What was found when it was made: what the suspension will say.</summary>
    public required string Sentence { get; init; }

    /// <summary>Why, and how the budget stood then: only a later change of that is a cause to take the request back.</summary>
    public required SuspendedSnapshot For { get; init; }

    public static string IdOf(string budget, DateTimeOffset requested) => budget + "/" + Text.Rfc3339.Format(requested);
}

/// <summary>A checkpoint that is written in full, and the step it holds where that is known.</summary>
public sealed record CheckpointMark(DateTimeOffset At, long? Step)
{
    /// <summary>The later of two; where it does not tell its step, it has at least what the earlier one had.</summary>
    public static CheckpointMark? Later(CheckpointMark? one, CheckpointMark? other) =>
        one is null ? other
        : other is null ? one
        : one.At >= other.At
            ? one.Step is null ? one with { Step = other.Step }
                : one
        : other.Step is null ? other with { Step = one.Step }
        : other;
}
