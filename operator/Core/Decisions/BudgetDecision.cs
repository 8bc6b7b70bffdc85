using System.Text.Json.Serialization;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Reports;

namespace Bursar.Core.Decisions;

/// <summary>
/// The result of one evaluation. Status, conditions, Events, metrics, the log line and <c>bursar explain</c> are derived from it, so they
/// cannot disagree.
/// </summary>
public sealed record BudgetDecision
{
    public required DateTimeOffset At { get; init; }

    public required string WindowKey { get; init; }

    public required DateTimeOffset WindowStart { get; init; }

    public required DateTimeOffset WindowEnd { get; init; }

    public required string Currency { get; init; }

    /// <summary>The limit of this window, including top-ups, grants, loans and what it carried over.</summary>
    public required Amount Limit { get; init; }

    /// <summary>The part of the limit that the window before left unspent.</summary>
    public Amount RolledOver { get; init; }

    /// <summary>The part of the limit that grants added.</summary>
    public Amount Granted { get; init; }

    /// <summary>The grants of this window, in the order in which they are used.</summary>
    [JsonIgnore]
    public IReadOnlyList<GrantRecord> Grants { get; init; } = [];

    /// <summary>The loans of this window. Null: there are none.</summary>
    [JsonIgnore]
    public IReadOnlyList<LoanRecord>? Loans { get; init; }

    /// <summary>Why the budget borrows nothing, or no more, while a workload waits for it.</summary>
    [JsonIgnore]
    public IReadOnlyList<string> LoanRefusals { get; init; } = [];

    /// <summary>
    /// The amount that its workloads need to keep running (<see cref="LoanDecider.CommittedAfter"/>). Zero if the budget neither borrows nor lends.
    /// </summary>
    [JsonIgnore]
    public Amount Committed { get; init; }

    public required Amount Spent { get; init; }

    public required Amount Reserved { get; init; }

    /// <summary>Spending at the end of the window at the current rates (<see cref="Outlook"/>).</summary>
    public required Amount Projected { get; init; }

    /// <summary>The spending at the end of the window with workloads to come. Null: the window is rolling or not open.</summary>
    public WindowForecast? Forecast { get; init; }

    public Amount Remaining => Limit - Spent;

    public required HourlyCost BurnRate { get; init; }

    /// <summary>When the limit will be reached at the current rates, or when the budget was used up. Null: not in this window.</summary>
    public DateTimeOffset? ExhaustedAt { get; init; }

    /// <summary>Spending beyond the limit while workloads still run, otherwise zero.</summary>
    public Amount Overspent { get; init; }

    /// <summary>The rate left for replicas above the minimum. Null: the window is not open.</summary>
    [JsonPropertyName("room")]
    public required AffordableRate? AffordableRate { get; init; }

    /// <summary>Whether its actions are carried out, as its mode and the cluster's allow.</summary>
    public required bool IsEnforcing { get; init; }

    public required Amount OverspendBound { get; init; }

    /// <summary>The cost of running jobs after the end of the window, which the next window starts with.</summary>
    public required Amount CarriedOver { get; init; }

    public required Amount OutsideSelector { get; init; }

    public required Unstoppable Unstoppable { get; init; }

    public IReadOnlyList<WorkloadVerdict> Workloads { get; init; } = [];

    /// <summary>The actions to carry out. Empty in Observe mode; the verdicts then say what would have been done.</summary>
    public IReadOnlyList<BudgetAction> Actions { get; init; } = [];

    /// <summary>
    /// Running workloads whose suspension record is to be dropped. Another actor resumed them, or Bursar did and was stopped before it
    /// recorded that.
    /// </summary>
    [JsonPropertyName("letGo")]
    public IReadOnlyList<WorkloadKey> StaleRecords { get; init; } = [];

    public IReadOnlyList<EndedWorkload> Ended { get; init; } = [];

    /// <summary>The ClusterGpuBudgets above this budget.</summary>
    public IReadOnlyList<string> Parents { get; init; } = [];

    /// <summary>The budgets below this one.</summary>
    public IReadOnlyList<ChildBudget> Children { get; init; } = [];

    /// <summary>In Observe mode: the actions that would have been taken, once per workload and reason.</summary>
    public IReadOnlyList<BudgetAction> Observed { get; init; } = [];

    public IReadOnlyList<Announcement> Announcements { get; init; } = [];

    public IReadOnlyList<ConditionValue> Conditions { get; init; } = [];

    public required BudgetMemory Memory { get; init; }

    /// <summary>
    /// Returns the UIDs of the workloads that this budget does not let run: it suspends them now, or has suspended them and would not resume
    /// them even if no other budget suspended them.
    /// </summary>
    public IEnumerable<string> DoesNotCover()
    {
        var acts = Actions.ToLookup(action => action.Workload.Uid, action => action.Kind, StringComparer.Ordinal);
        foreach (var verdict in Workloads)
            if (
                acts[verdict.Key.Uid].Contains(ActionKind.Suspend)
                || verdict is { State: WorkloadState.SuspendedByBudget, WaitsForOthers: false }
                    && !acts[verdict.Key.Uid].Contains(ActionKind.Resume)
            )
                yield return verdict.Key.Uid;
    }

    /// <summary>The reason of the Ready condition, which kubectl shows as STATE.</summary>
    public string State => Conditions.First(c => c.Type == ConditionTypes.Ready).Reason;
}

/// <summary>The workloads that cannot be suspended: their rate, their cost until the window ends, and their names.</summary>
public sealed record Unstoppable(HourlyCost RatePerHour, Amount UntilWindowEnd, IReadOnlyList<string> Workloads)
{
    /// <summary>Why each cannot be suspended, in the order of <see cref="Workloads"/>.</summary>
    public IReadOnlyList<string> Why { get; init; } = [];
}

/// <summary>The result for one workload, with its reason.</summary>
public sealed record WorkloadVerdict
{
    public required WorkloadKey Key { get; init; }

    public required WorkloadClass Class { get; init; }

    public required WorkloadState State { get; init; }

    public required int Gpus { get; init; }

    public HourlyCost? Rate { get; init; }

    public required Amount Spent { get; init; }

    /// <summary>Spent in this window plus <see cref="CostToFinish"/>.</summary>
    public required Amount Projected { get; init; }

    /// <summary>The likely cost to finish within the window.</summary>
    public required Amount CostToFinish { get; init; }

    public required Estimate Estimate { get; init; }

    /// <summary>The source of its GPU usage. Null: none of its pods runs.</summary>
    public string? MeteredBy { get; init; }

    /// <summary>Since when its GPUs have been idle. Null: they are not, or not for as long as the budget's <c>idle.after</c>.</summary>
    public DateTimeOffset? IdleSince { get; init; }

    public required string Reason { get; init; }

    public required string Sentence { get; init; }

    /// <summary>The other budgets that have suspended it, if this one has not.</summary>
    [JsonPropertyName("heldBy")]
    public string? OtherBudgets { get; init; }

    /// <summary>
    /// Whether this budget would resume it now and waits only for the other budgets that do not cover it. Nothing is reserved for it.
    /// </summary>
    public bool WaitsForOthers { get; init; }

    /// <summary>The limit that its sentence names as enough to run it now. Null: none is named.</summary>
    public Amount? EnoughLimit { get; init; }

    public UnitCosts? UnitCosts { get; init; }
}

public enum ActionKind
{
    /// <summary>Suspend a job, or scale a workload to zero.</summary>
    [JsonStringEnumMemberName("Park")]
    Suspend,

    /// <summary>Resume a suspended workload.</summary>
    Resume,

    /// <summary>Request a checkpoint before a suspension.</summary>
    RequestCheckpoint,

    /// <summary>Withdraw a checkpoint request, because the workload keeps running.</summary>
    WithdrawCheckpoint,
}

public sealed record BudgetAction
{
    public required ActionKind Kind { get; init; }

    public required WorkloadKey Workload { get; init; }

    public required WorkloadClass Class { get; init; }

    public required string Reason { get; init; }

    /// <summary>The Event's note: the amounts, the reason, and what the user can do.</summary>
    public required string Sentence { get; init; }

    public required Amount CostToFinish { get; init; }

    /// <summary>Another budget had already suspended it.</summary>
    [JsonPropertyName("isHeldByOther")]
    public bool IsSuspendedByOtherBudget { get; init; }

    /// <summary>A forecast suspends it, not the limit.</summary>
    public bool ByForecast { get; init; }

    /// <summary>A forecast suspends a workload that was allowed to run. The circuit breaker counts these.</summary>
    [JsonPropertyName("countsForBrake")]
    public bool CountsForBreaker { get; init; }

    /// <summary>Another actor resumed the workload after this budget had suspended it.</summary>
    [JsonIgnore]
    public bool IsAgain { get; init; }

    /// <summary>For a suspension: the record that the ledger stores.</summary>
    [JsonPropertyName("parked")]
    public SuspendedSnapshot? Suspension { get; init; }

    /// <summary>For a checkpoint request or its withdrawal. Null: only an annotation without a request is removed.</summary>
    public CheckpointRequest? Checkpoint { get; init; }

    /// <summary>For a checkpoint request or its withdrawal: the value of the annotation that is written or removed.</summary>
    public string? CheckpointId { get; init; }
}

/// <summary>An Event on the budget that belongs to no action, and on the workload if one is named.</summary>
public sealed record Announcement(string Reason, string Key, string Sentence, bool Warning, WorkloadKey? Workload = null)
{
    /// <summary>The workloads that receive the Event too.</summary>
    public IReadOnlyList<WorkloadKey> About { get; init; } = [];
}

/// <summary>The value of a condition. The status writer adds the transition time.</summary>
public sealed record ConditionValue(string Type, bool? Status, string Reason, string Message);
