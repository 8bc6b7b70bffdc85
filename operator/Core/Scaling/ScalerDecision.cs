using Bursar.Core.Decisions;
using Bursar.Core.Money;

namespace Bursar.Core.Scaling;

/// <summary>
/// The result of one evaluation of a scaler. Its status, conditions, Events, metrics and <c>bursar explain</c> are derived from this value.
/// </summary>
public sealed record ScalerDecision
{
    public required DateTimeOffset At { get; init; }

    /// <summary>The present replicas of the target's scale.</summary>
    public required int Replicas { get; init; }

    /// <summary>The replicas to set. Equal to <see cref="Replicas"/> if nothing changes.</summary>
    public required int Desired { get; init; }

    /// <summary>The replicas that demand asks for within minimum and maximum, regardless of cost.</summary>
    public required int Wanted { get; init; }

    /// <summary>The affordable replicas. Null: not limited.</summary>
    public int? Affordable { get; init; }

    /// <summary>The cost of the replicas that demand asks for and that are not affordable.</summary>
    public HourlyCost? MissingPerHour { get; init; }

    /// <summary>The cap that applies.</summary>
    public ReplicaCap? Cap { get; init; }

    public bool IsActive { get; init; }

    public required string Reason { get; init; }

    /// <summary>The Event's note and the status message: the figures and the reason.</summary>
    public required string Sentence { get; init; }

    public IReadOnlyList<TriggerVerdict> Triggers { get; init; } = [];

    public IReadOnlyList<ConditionValue> Conditions { get; init; } = [];

    /// <summary>Nothing is written, whatever <see cref="Desired"/> says.</summary>
    public bool IsPaused { get; init; }

    /// <summary>The memory to keep after the evaluation.</summary>
    public required ScalerMemory Memory { get; init; }

    public bool Scales => !IsPaused && Desired != Replicas;

    public bool IsCapped => Affordable is { } affordable && affordable < Wanted;
}

/// <summary>The result of one trigger.</summary>
public sealed record TriggerVerdict(
    string Name,
    TriggerType Type,
    double? Value,
    double Target,
    bool IsActive,
    int? Replicas,
    string? Error,
    bool FellBack
);
