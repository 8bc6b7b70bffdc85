using System.Text.Json.Serialization;
using Bursar.Core.Budgets;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Reports;

namespace Bursar.Core.Decisions;

/// <summary>
/// Everything a decision may look at, and nothing else: read from synced stores by the observer, stored beside the
/// decision, so that the same snapshot gives the same decision again.
/// </summary>
public sealed record BudgetSnapshot
{
    public required string Namespace { get; init; }

    public required string Name { get; init; }

    public required string Uid { get; init; }

    public required DateTimeOffset Now { get; init; }

    /// <summary>When the budget was made: work made later did not run before it, however late the first evaluation is.</summary>
    public DateTimeOffset? CreatedAt { get; init; }

    public required BudgetTerms Terms { get; init; }

    public required Window Window { get; init; }

    public string Currency { get; set; } = "USD";

    /// <summary>What the ledger holds for this budget's work in this window, ended work included.</summary>
    public required Amount Spent { get; init; }

    /// <summary>
    /// Rolling windows only: this budget's spending inside the window as constant stretches; what is open ends at
    /// <see cref="Now"/>. The forecast needs to know when each of them leaves the window.
    /// </summary>
    public IReadOnlyList<SpendSegment> RollingSpend { get; set; } = [];

    /// <summary>GPU work in the namespace, in this window, that no budget selects.</summary>
    public Amount OutsideSelector { get; init; }

    /// <summary>What this budget's work burns at this moment: the rates of the pods that are being billed.</summary>
    public HourlyCost BurnRate { get; init; }

    public IReadOnlyList<WorkloadSnapshot> Workloads { get; set; } = [];

    public required BudgetMemory Memory { get; init; }

    /// <summary>Why the numbers cannot be trusted for a forecast right now (a lost node, a stale cache); null when fresh.</summary>
    public string? MeteringStale { get; init; }

    /// <summary>Who measures what this budget's running work does; null while none runs. It is shown, and decides nothing.</summary>
    public MeteringView? Metering { get; init; }

    /// <summary>Products without a matching rate among this budget's work.</summary>
    public IReadOnlyList<string> UnpricedProducts { get; set; } = [];

    /// <summary>
    /// Why the prices of this budget's work are not those of the price book, as far as the last trusted ones go on; null when they are.
    /// </summary>
    public string? PricesUntrusted { get; init; }

    /// <summary>
    /// Products of this budget's work on spot or reserved nodes for which the book has no rate of their own, with the capacity type.
    /// </summary>
    public IReadOnlyList<string> ChargedAsOnDemand { get; set; } = [];

    /// <summary>Why no forecast can be made right now; null when one can.</summary>
    [JsonIgnore]
    public string? ForecastDoubt =>
        MeteringStale
        ?? PricesUntrusted
        ?? (UnpricedProducts.Count > 0 ? $"no price matches {string.Join(", ", UnpricedProducts.Take(3))}" : null);

    /// <summary>How many more workloads forecasts may suspend before the cluster's brake applies.</summary>
    [JsonPropertyName("brakeAllowance")]
    public int BreakerAllowance { get; set; } = int.MaxValue;

    /// <summary>The cluster's switch: ConfigMap <c>bursar-control</c> says observe.</summary>
    [JsonPropertyName("switchedToObserve")]
    public bool ObserveOnly { get; init; }

    /// <summary>
    /// When its user released it by <c>bursar release</c>, where that still holds: it resumes everything and suspends nothing.
    /// </summary>
    public DateTimeOffset? ReleasedAt { get; init; }

    /// <summary>
    /// Workloads that cost something in this window and hold no GPUs any more, the most expensive first. Shown, and nothing is decided by
    /// it.
    /// </summary>
    [JsonIgnore]
    public IReadOnlyList<EndedWorkload> Ended { get; set; } = [];

    /// <summary>
    /// Why the ledger could not be written last; null when it could. Nothing is suspended or resumed before it is written.
    /// </summary>
    public string? LedgerFault { get; init; }

    /// <summary>Why the budget's latest spec cannot be used, and which one is in force instead; null if it can.</summary>
    public string? SpecFault { get; init; }

    /// <summary>Its mode, the cluster's switch or a release by its user keeps it from suspending anything.</summary>
    [JsonIgnore]
    public bool Observes => Terms.Mode != EnforcementMode.Enforce || ObserveOnly || ReleasedAt is not null;

    /// <summary>What an evaluation and a round trip to the API may take: part of every stop's cost.</summary>
    public TimeSpan ReactionTime { get; set; } = TimeSpan.FromSeconds(10);
}

/// <summary>A workload that has ended in this window.</summary>
/// <param name="Key">Which.</param>
/// <param name="Class">What it was used for.</param>
/// <param name="Spent">Its cost in this window.</param>
/// <param name="Steps">The last step that it told; null where it told none.</param>
/// <param name="UnitCosts">What a unit of its output cost.</param>
public sealed record EndedWorkload(WorkloadKey Key, WorkloadClass Class, Amount Spent, long? Steps, UnitCosts UnitCosts);

public enum WorkloadState
{
    /// <summary>
    /// Not suspended, and none of its pods is bound to a node yet; or suspended by other budgets alone, for which it waits as for a node.
    /// </summary>
    Pending,

    Running,

    /// <summary>Suspended, and the ledger says that this budget did it.</summary>
    [JsonStringEnumMemberName("Parked")]
    SuspendedByBudget,

    /// <summary>Suspended by someone else: never touched.</summary>
    [JsonStringEnumMemberName("Suspended")]
    SuspendedByOther,
}

public sealed record WorkloadSnapshot
{
    public required WorkloadKey Key { get; init; }

    public required WorkloadClass Class { get; init; }

    public required WorkloadState State { get; init; }

    public bool Exempt { get; init; }

    /// <summary>Why Bursar cannot suspend it; null when it can.</summary>
    [JsonPropertyName("notParkable")]
    public string? NotSuspendable { get; init; }

    /// <summary>
    /// Its field says that it is suspended, and pods of it hold GPUs and are not being deleted, or should have ended by now.
    /// </summary>
    public bool RunsOn { get; init; }

    /// <summary>
    /// It has run on for longer than a suspension may take. It counts as running, and <see cref="NotSuspendable"/> says why.
    /// </summary>
    [JsonPropertyName("notFollowed")]
    public bool IgnoresSuspension { get; init; }

    /// <summary>
    /// Its object has a field that cannot be read and that its suspension depends on: it is named as unstoppable before its pods run, too.
    /// </summary>
    public bool IsUnreadable { get; init; }

    /// <summary>The PriorityClass's value, then <c>bursar.dev/priority</c> within one class.</summary>
    public int Priority { get; init; }

    public int PriorityWithin { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>The GPUs of the spec, not of the pods of the moment.</summary>
    public int Gpus { get; init; }

    /// <summary>The rate of those GPUs together; null when their product has no price.</summary>
    public HourlyCost? Rate { get; init; }

    /// <summary>What its pods burn right now.</summary>
    public HourlyCost BurnRate { get; init; }

    /// <summary>
    /// What its fewest replicas cost, where a scaler takes away the others when the money does not carry them; null where none does.
    /// </summary>
    [JsonPropertyName("floorRate")]
    public HourlyCost? MinReplicasRate { get; init; }

    /// <summary>Spent in this window.</summary>
    public Amount Spent { get; init; }

    /// <summary>The source of its GPU usage, as <see cref="MeteringView.TextOf"/> names it; null while none of its pods runs.</summary>
    public string? MeteredBy { get; init; }

    /// <summary>For training: remaining time of the present run, or of the next run where it is suspended.</summary>
    public Estimate Estimate { get; set; } = Estimate.Unknown("");

    /// <summary>
    /// For running training: what it would need if it were suspended now and came back, from its last checkpoint or from
    /// zero (<see cref="Estimator.AfterResume"/>). Null: the same as <see cref="Estimate"/>.
    /// </summary>
    public Estimate? EstimateAfterResume { get; init; }

    public TimeSpan TerminationGrace { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// It can answer a request for a checkpoint: its owner says so, or its pods asked their node's agent whether there is one.
    /// </summary>
    public bool CanCheckpoint { get; init; }

    /// <summary>Its last checkpoint that is known; it outlives its pods.</summary>
    public CheckpointMark? Checkpoint { get; init; }

    /// <summary>The request that all its pods that answer have acknowledged.</summary>
    public string? CheckpointAcknowledged { get; init; }

    /// <summary>What <c>bursar.dev/checkpoint-requested</c> on it says: a mirror, to be brought in line.</summary>
    public string? CheckpointAnnotation { get; init; }

    /// <summary>Since when it has had no bound pod although it may run.</summary>
    public DateTimeOffset? NoPodSince { get; init; }

    /// <summary>Where it waits, when whoever queues it holds it back: it has no claim on money until it is let go. Null: nowhere.</summary>
    [JsonPropertyName("waitsIn")]
    public string? QueuedIn { get; init; }

    [JsonPropertyName("parked")]
    public SuspendedSnapshot? Suspension { get; init; }

    /// <summary>The other budgets that hold it, in words; null where none does. It runs when none of them holds it any more.</summary>
    [JsonPropertyName("heldBy")]
    public string? OtherBudgets { get; init; }

    /// <summary>Others hold it and this budget does not.</summary>
    [JsonIgnore]
    public bool IsSuspendedByOtherBudget => OtherBudgets is not null && State == WorkloadState.Pending;

    /// <summary>The owner's <c>bursar.dev/resume: approved</c>.</summary>
    public bool ResumeApproved { get; init; }

    /// <summary>What suspending it brings with it beyond itself, or what it brought where it is suspended, as a sentence for people.</summary>
    public string? Consequence { get; init; }

    /// <summary>What a unit of its output costs: shown, and nothing is decided by it.</summary>
    [JsonIgnore]
    public UnitCosts? UnitCosts { get; init; }
}

/// <summary>What the ledger says of a workload that this budget suspended.</summary>
public sealed record SuspendedSnapshot
{
    public required DateTimeOffset Since { get; init; }

    public required string Reason { get; init; }

    /// <summary>The window, limit and freed-money count at which it was suspended: a resume needs one of them to have moved.</summary>
    public string WindowKey { get; set; } = "";

    public Amount Limit { get; init; }

    public long Freed { get; init; }

    /// <summary>
    /// The count of raises at which it was suspended: a limit that fell and rose again has been raised, whatever it was before.
    /// </summary>
    public long Raised { get; init; }

    /// <summary>
    /// What was spent in the window when it was suspended: in a rolling one a resume needs it to have fallen. Absent in old records.
    /// </summary>
    public Amount? Spent { get; init; }

    /// <summary>
    /// The available amount (<see cref="BudgetTotals.Available"/>) at the suspension. A rise is a cause for resuming. Absent in old records.
    /// </summary>
    public Amount? Available { get; init; }

    /// <summary>Its rate when it was suspended: a fall, by a price or by fewer GPUs, is a cause of a resume. Absent in old records.</summary>
    public HourlyCost? Rate { get; init; }

    /// <summary>How far the limit was from what its resume is tested against; negative when it was short. Absent in old records.</summary>
    public Amount? Margin { get; init; }

    /// <summary>How often it came back without a cause, only because it fitted: each time doubles the wait for the next.</summary>
    public int FitResumes { get; init; }

    /// <summary>The limit that was named as enough to resume it; repeated for as long as it is enough.</summary>
    public Amount? EnoughLimit { get; init; }

    /// <summary>The suspension was seen or acknowledged by the API; before that, running means not yet done.</summary>
    public bool Confirmed { get; init; }

    /// <summary>A forecast asked for it, so it counted toward the cluster's brake.</summary>
    public bool ByForecast { get; init; }

    /// <summary>When it was asked for a checkpoint before it was suspended: what it did from then on tells nothing of its pace.</summary>
    [JsonPropertyName("askedAt")]
    public DateTimeOffset? CheckpointRequestedAt { get; init; }

    /// <summary>The owner's approval already stood there when it was suspended, so it is no cause to bring it back.</summary>
    public bool Approved { get; init; }

    /// <summary>When others undid it, oldest first.</summary>
    [JsonPropertyName("undone")]
    public IReadOnlyList<DateTimeOffset> Reverted { get; set; } = [];

    /// <summary>The field manager that undid it last, where the object tells.</summary>
    [JsonPropertyName("undoneBy")]
    public string? RevertedBy { get; init; }
}
