using Bursar.Core.Decisions;
using Bursar.Core.Money;

namespace Bursar.Core.Scaling;

/// <summary>
/// One look at one scaler. Its status, conditions, Events, metrics and <c>bursar explain</c> are all derived from this value.
/// </summary>
public sealed record ScalerDecision
{
    public required DateTimeOffset At { get; init; }

    /// <summary>What is asked of the target now.</summary>
    public required int Replicas { get; init; }

    /// <summary>What it is to be set to; equal to <see cref="Replicas"/> where nothing is to be done.</summary>
    public required int Desired { get; init; }

    /// <summary>What demand asks for within minimum and maximum, money aside.</summary>
    public required int Wanted { get; init; }

    /// <summary>What the money carries; null where nothing limits it.</summary>
    public int? Affordable { get; init; }

    /// <summary>What the replicas that demand asks for and the money does not carry would cost.</summary>
    public HourlyCost? MissingPerHour { get; init; }

    /// <summary>What the purse that binds says.</summary>
    public ReplicaCap? Cap { get; init; }

    public bool IsActive { get; init; }

    public required string Reason { get; init; }

    /// <summary>The Event's note and the status's message: figures, and why.</summary>
    public required string Sentence { get; init; }

    public IReadOnlyList<TriggerVerdict> Triggers { get; init; } = [];

    public IReadOnlyList<ConditionValue> Conditions { get; init; } = [];

    /// <summary>Nothing may be written, whatever <see cref="Desired"/> says.</summary>
    public bool IsPaused { get; init; }

    /// <summary>To be kept once the look is over.</summary>
    public required ScalerMemory Memory { get; init; }

    public bool Scales => !IsPaused && Desired != Replicas;

    public bool IsCapped => Affordable is { } affordable && affordable < Wanted;
}

/// <summary>What one trigger said.</summary>
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
