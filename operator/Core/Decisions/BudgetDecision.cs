using System.Text.Json.Serialization;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Reports;

namespace Bursar.Core.Decisions;

/// <summary>
/// One evaluation's outcome. Status, conditions, Events, metrics, the log line and <c>bursar explain</c> are all derived
/// from this value, so they cannot disagree.
/// </summary>
public sealed record BudgetDecision
{
    public required DateTimeOffset At { get; init; }

    public required string WindowKey { get; init; }

    public required DateTimeOffset WindowStart { get; init; }

    public required DateTimeOffset WindowEnd { get; init; }

    public required string Currency { get; init; }

    /// <summary>The limit with this window's top-ups.</summary>
    public required Amount Limit { get; init; }

    public required Amount Spent { get; init; }

    public required Amount Reserved { get; init; }

    /// <summary>Spending at the end of the window on the present course (<see cref="Outlook"/>).</summary>
    public required Amount Projected { get; init; }

    public Amount Remaining => Limit - Spent;

    public required HourlyCost BurnRate { get; init; }

    /// <summary>
    /// When the limit is reached on the present course; of a budget that is used up, when it was. Null: not in this window.
    /// </summary>
    public DateTimeOffset? ExhaustedAt { get; init; }

    /// <summary>Spending beyond the limit while work still runs; zero otherwise.</summary>
    public Amount Overspent { get; init; }

    /// <summary>
    /// What is left for replicas above their floors; null while no window is open, when nothing is admitted and nothing taken.
    /// </summary>
    [JsonPropertyName("room")]
    public required AffordableRate? AffordableRate { get; init; }

    /// <summary>Its mode and the cluster's switch let it act.</summary>
    public required bool IsEnforcing { get; init; }

    public required Amount OverspendBound { get; init; }

    /// <summary>The part of running jobs' cost that falls behind the window's end: the first claim on the next.</summary>
    public required Amount CarriedOver { get; init; }

    public required Amount OutsideSelector { get; init; }

    public required Unstoppable Unstoppable { get; init; }

    public IReadOnlyList<WorkloadVerdict> Workloads { get; init; } = [];

    /// <summary>What is to be done now. Empty in Observe mode: the verdicts then say what would have been done.</summary>
    public IReadOnlyList<BudgetAction> Actions { get; init; } = [];

    /// <summary>
    /// Work that the ledger calls suspended, that runs, and that may run: its record is to be dropped. Others resumed it, or
    /// Bursar did and was stopped before it could say so.
    /// </summary>
    [JsonPropertyName("letGo")]
    public IReadOnlyList<WorkloadKey> StaleRecords { get; init; } = [];

    /// <summary>Workloads that have ended in this window.</summary>
    public IReadOnlyList<EndedWorkload> Ended { get; init; } = [];

    /// <summary>In Observe mode: what would have been done, once for each workload and reason.</summary>
    public IReadOnlyList<BudgetAction> Observed { get; init; } = [];

    public IReadOnlyList<Announcement> Announcements { get; init; } = [];

    public IReadOnlyList<ConditionValue> Conditions { get; init; } = [];

    public required BudgetMemory Memory { get; init; }

    /// <summary>The reason of Ready: what kubectl shows as the state.</summary>
    public string State => Conditions.First(c => c.Type == ConditionTypes.Ready).Reason;
}

/// <summary>Work that cannot be suspended: its burn, what it costs to the window's end, and its names.</summary>
public sealed record Unstoppable(HourlyCost RatePerHour, Amount UntilWindowEnd, IReadOnlyList<string> Workloads)
{
    /// <summary>Why each of them cannot be suspended, in the order of <see cref="Workloads"/>.</summary>
    public IReadOnlyList<string> Why { get; init; } = [];
}

/// <summary>What was found about one workload and why.</summary>
public sealed record WorkloadVerdict
{
    public required WorkloadKey Key { get; init; }

    public required WorkloadClass Class { get; init; }

    public required WorkloadState State { get; init; }

    public required int Gpus { get; init; }

    public HourlyCost? Rate { get; init; }

    public required Amount Spent { get; init; }

    /// <summary>Spent in this window plus the likely cost to finish in it.</summary>
    public required Amount Projected { get; init; }

    /// <summary>The likely cost to finish within the window.</summary>
    public required Amount CostToFinish { get; init; }

    public required Estimate Estimate { get; init; }

    /// <summary>Who measures it; null while none of its pods runs.</summary>
    public string? MeteredBy { get; init; }

    public required string Reason { get; init; }

    public required string Sentence { get; init; }

    /// <summary>The other budgets that hold it, where this one does not.</summary>
    [JsonPropertyName("heldBy")]
    public string? OtherBudgets { get; init; }

    /// <summary>The limit that its sentence names as enough to run it now; null where it names none.</summary>
    public Amount? EnoughLimit { get; init; }

    public UnitCosts? UnitCosts { get; init; }
}

public enum ActionKind
{
    /// <summary>Suspend a job, or scale an inference deployment to zero.</summary>
    [JsonStringEnumMemberName("Park")]
    Suspend,

    /// <summary>Give back what was suspended.</summary>
    Resume,

    /// <summary>Ask work that is to be suspended for a checkpoint.</summary>
    RequestCheckpoint,

    /// <summary>Take such a request back: the work runs on.</summary>
    WithdrawCheckpoint,
}

public sealed record BudgetAction
{
    public required ActionKind Kind { get; init; }

    public required WorkloadKey Workload { get; init; }

    public required WorkloadClass Class { get; init; }

    public required string Reason { get; init; }

    /// <summary>The Event's note: the amounts, why, and what it would take to go on.</summary>
    public required string Sentence { get; init; }

    public required Amount CostToFinish { get; init; }

    /// <summary>Another budget had stopped it already when this was decided.</summary>
    [JsonPropertyName("isHeldByOther")]
    public bool IsSuspendedByOtherBudget { get; init; }

    /// <summary>A forecast, not the limit itself, asked for it: counts toward the cluster's brake.</summary>
    public bool ByForecast { get; init; }

    /// <summary>It stops work that was let run, by forecast: that is what the cluster's brake counts.</summary>
    [JsonPropertyName("countsForBrake")]
    public bool CountsForBreaker { get; init; }

    /// <summary>Someone else resumed the workload after this budget had suspended it.</summary>
    [JsonIgnore]
    public bool IsAgain { get; init; }

    /// <summary>For a suspend: what the ledger is to remember.</summary>
    [JsonPropertyName("parked")]
    public SuspendedSnapshot? Suspension { get; init; }

    /// <summary>
    /// For a request or its withdrawal: what is asked. Of a withdrawal that only clears a mirror nobody asked for any more: null.
    /// </summary>
    public CheckpointRequest? Checkpoint { get; init; }

    /// <summary>For a request or its withdrawal: what the mirror on the object is to say, or says and is to say no more.</summary>
    public string? CheckpointId { get; init; }
}

/// <summary>An Event on the budget that belongs to no action, and on a workload where it names one.</summary>
public sealed record Announcement(string Reason, string Key, string Sentence, bool Warning, WorkloadKey? Workload = null)
{
    /// <summary>The workloads that it concerns: each gets the Event too.</summary>
    public IReadOnlyList<WorkloadKey> About { get; init; } = [];
}

/// <summary>A condition's value; its transition time is the status writer's business.</summary>
public sealed record ConditionValue(string Type, bool? Status, string Reason, string Message);
