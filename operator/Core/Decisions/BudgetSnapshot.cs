using System.Text.Json.Serialization;
using Bursar.Core.Budgets;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Reports;

namespace Bursar.Core.Decisions;

/// <summary>
/// Everything a decision may depend on. The observer reads it from synced caches, and it is stored beside the decision, so that the
/// decision can be repeated.
/// </summary>
public sealed record BudgetSnapshot
{
    /// <summary>The budget's namespace; empty for a ClusterGpuBudget.</summary>
    public required string Namespace { get; init; }

    public required string Name { get; init; }

    /// <summary>The budget as messages name it: <c>budget nlp</c> or <c>cluster budget research</c>.</summary>
    [JsonIgnore]
    public string DisplayName => DisplayNameOf(Name, isCluster: Namespace.Length == 0);

    /// <summary>The name of a limit inside a budget; null for a budget.</summary>
    [JsonIgnore]
    public string? LimitName => Name.IndexOf('/') is >= 0 and var at ? Name[(at + 1)..] : null;

    public required string Uid { get; init; }

    public required DateTimeOffset Now { get; init; }

    /// <summary>
    /// When the budget was created. Workloads created later did not run before it, even if the first evaluation is late. Null: unknown.
    /// </summary>
    public DateTimeOffset? CreatedAt { get; init; }

    public required BudgetTerms Terms { get; init; }

    public required Window Window { get; init; }

    /// <summary>The unspent part of the last window's limit that this window adds to its own.</summary>
    public Amount RolledOver { get; init; }

    /// <summary>The sum that grants add to the limit of this window.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public Amount Granted { get; init; }

    /// <summary>The grants of this window, with their used parts. For display only.</summary>
    [JsonIgnore]
    public IReadOnlyList<GrantRecord> Grants { get; init; } = [];

    /// <summary>The announcements about grants and requests of this pass.</summary>
    [JsonIgnore]
    public IReadOnlyList<Announcement> GrantNews { get; init; } = [];

    /// <summary>The loans of this window in which the budget is the lender or the borrower. Null: there are none.</summary>
    public IReadOnlyList<LoanRecord>? Loans { get; init; }

    /// <summary>The loans of this window that change no limit, because they are in another unit. Null: there are none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<LoanRecord>? LoansOfOtherUnit { get; init; }

    /// <summary>The unit of all amounts (<see cref="UnitOf"/>).</summary>
    public string Currency { get; set; } = "USD";

    /// <summary>Returns the unit of amounts: the given currency of the price book, or the unit of what is counted instead.</summary>
    public static string UnitOf(UsageUnit counted, string currency) =>
        counted switch
        {
            UsageUnit.GpuHours => "GPU-hours",
            UsageUnit.Energy => "kWh",
            UsageUnit.Co2e => "kg CO2e",
            UsageUnit.Tokens => "tokens",
            _ => currency,
        };

    /// <summary>
    /// The unit of rates: <c>USD/h</c>; GPUs, because a GPU uses one GPU-hour per hour; kW, which are kilowatt-hours per hour.
    /// </summary>
    [JsonIgnore]
    public string RateUnit =>
        Terms.Counted.Unit switch
        {
            UsageUnit.GpuHours => "GPUs",
            UsageUnit.Energy => "kW",
            _ => $"{Currency}/h",
        };

    /// <summary>The ledger's cost of this budget's workloads in this window, including ended ones.</summary>
    public required Amount Spent { get; init; }

    /// <summary>
    /// For rolling windows, this budget's spending in the window as stretches of constant rate. A stretch without an end lasts until
    /// <see cref="Now"/>. The forecast needs the time at which each leaves the window.
    /// </summary>
    public IReadOnlyList<SpendSegment> RollingSpend { get; set; } = [];

    /// <summary>The usual spending of this budget, from its history. Null: there is too little history.</summary>
    public SpendingModel? Spending { get; init; }

    /// <summary>The cost in this window of GPU workloads in its namespaces that no budget selects.</summary>
    public Amount OutsideSelector { get; init; }

    /// <summary>The present cost per hour of this budget's workloads: the rates of the pods that are being billed.</summary>
    public HourlyCost BurnRate { get; init; }

    public IReadOnlyList<WorkloadSnapshot> Workloads { get; set; } = [];

    /// <summary>The cost of pods that are being deleted and whose workload is gone. They cannot be stopped any earlier.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public Amount Ending { get; init; }

    public required BudgetMemory Memory { get; init; }

    /// <summary>Why usage is too uncertain for a forecast (a lost node, a stale cache). Null: it is current.</summary>
    public string? MeteringStale { get; init; }

    /// <summary>Which source measures the running workloads. For display only. Null: nothing runs.</summary>
    public MeteringView? Metering { get; init; }

    /// <summary>Products without a matching rate, among this budget's workloads.</summary>
    public IReadOnlyList<string> UnpricedProducts { get; set; } = [];

    /// <summary>
    /// Why this budget's workloads are charged at the last trusted prices and not at those of the price book. Null: they are not.
    /// </summary>
    public string? PricesUntrusted { get; init; }

    /// <summary>Whether the budget or a limit inside it counts CO2e, and the price book has no grid intensity.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool LacksGridIntensity { get; init; }

    /// <summary>Products on spot or reserved nodes for which the book has only an on-demand rate, with the capacity type.</summary>
    public IReadOnlyList<string> ChargedAsOnDemand { get; set; } = [];

    /// <summary>Why no forecast can be made now. Null: one can.</summary>
    [JsonIgnore]
    public string? ForecastDoubt =>
        MeteringStale
        ?? PricesUntrusted
        ?? (UnpricedProducts.Count > 0 ? $"no price matches {string.Join(", ", UnpricedProducts.Take(3))}" : null);

    /// <summary>How many more workloads forecasts may suspend before the circuit breaker opens.</summary>
    [JsonPropertyName("brakeAllowance")]
    public int BreakerAllowance { get; set; } = int.MaxValue;

    /// <summary>The ConfigMap <c>bursar-control</c> sets the cluster to observe-only mode.</summary>
    [JsonPropertyName("switchedToObserve")]
    public bool ObserveOnly { get; init; }

    /// <summary>
    /// When its user released the budget by <c>bursar release</c>. While the release lasts, the budget resumes everything and suspends
    /// nothing. Null: not released.
    /// </summary>
    public DateTimeOffset? ReleasedAt { get; init; }

    /// <summary>The ClusterGpuBudgets that cover every namespace of this budget, by name. For display only.</summary>
    [JsonIgnore]
    public IReadOnlyList<string> Parents { get; init; } = [];

    /// <summary>The budgets whose namespaces this ClusterGpuBudget all covers, with their limits. For display only.</summary>
    [JsonIgnore]
    public IReadOnlyList<ChildBudget> Children { get; init; } = [];

    /// <summary>Workloads that cost something in this window and no longer have GPUs, the most expensive first. For display only.</summary>
    [JsonIgnore]
    public IReadOnlyList<EndedWorkload> Ended { get; set; } = [];

    /// <summary>
    /// Why the last write of the ledger failed. Until it succeeds, nothing is suspended or resumed. Null: it did not fail.
    /// </summary>
    public string? LedgerFault { get; init; }

    /// <summary>Why the latest spec cannot be used, and which one is in force instead. Null: it can be used.</summary>
    public string? SpecFault { get; init; }

    /// <summary>Whether its mode, the cluster's observe-only mode or a release keeps the budget from suspending anything.</summary>
    [JsonIgnore]
    public bool Observes => Terms.Mode != EnforcementMode.Enforce || ObserveOnly || ReleasedAt is not null;

    /// <summary>Returns a budget's name, or that of one of its limits (<c>nlp/h100</c>), as messages show it.</summary>
    public static string DisplayNameOf(string name, bool isCluster)
    {
        var kind = isCluster ? "cluster budget" : "budget";
        return name.IndexOf('/') is >= 0 and var at ? $"limit {name[(at + 1)..]} of {kind} {name[..at]}" : $"{kind} {name}";
    }

    /// <summary>
    /// The time that an evaluation and a round trip to the API server may take. Part of every stop cost. For a limit on measurements, it
    /// includes the time until they arrive.
    /// </summary>
    public TimeSpan ReactionTime { get; set; } = TimeSpan.FromSeconds(10);
}

/// <summary>A budget below a ClusterGpuBudget.</summary>
/// <param name="Name">Its name, with its namespace if it is a GpuBudget.</param>
/// <param name="Limit">The limit of its current window.</param>
/// <param name="IsComparable">Whether that window is the parent's, and the limit is in the parent's unit.</param>
public sealed record ChildBudget(string Name, Amount Limit, [property: JsonPropertyName("hasSameWindow")] bool IsComparable);

/// <summary>A workload that has ended in this window.</summary>
/// <param name="Spent">The cost in this window.</param>
/// <param name="Steps">The last reported step. Null: none was reported.</param>
public sealed record EndedWorkload(WorkloadKey Key, WorkloadClass Class, Amount Spent, long? Steps, UnitCosts UnitCosts);

public enum WorkloadState
{
    /// <summary>Not suspended and without a bound pod, or suspended by other budgets only.</summary>
    Pending,

    Running,

    /// <summary>Suspended by this budget, according to the ledger.</summary>
    [JsonStringEnumMemberName("Parked")]
    SuspendedByBudget,

    /// <summary>Suspended by another actor. Bursar never changes it.</summary>
    [JsonStringEnumMemberName("Suspended")]
    SuspendedByOther,
}

public sealed record WorkloadSnapshot
{
    public required WorkloadKey Key { get; init; }

    public required WorkloadClass Class { get; init; }

    public required WorkloadState State { get; init; }

    public bool Exempt { get; init; }

    /// <summary>Why Bursar cannot suspend it. Null: it can.</summary>
    [JsonPropertyName("notParkable")]
    public string? NotSuspendable { get; init; }

    /// <summary>
    /// Its spec says that it is suspended, but pods of it have GPUs and are not being deleted, or should have ended by now.
    /// </summary>
    public bool RunsOn { get; init; }

    /// <summary>
    /// Its pods have kept running for longer than a suspension may take. It counts as running, and <see cref="NotSuspendable"/> says why.
    /// </summary>
    [JsonPropertyName("notFollowed")]
    public bool IgnoresSuspension { get; init; }

    /// <summary>
    /// Its object has an unreadable field that suspension depends on. It is reported as unstoppable even before its pods run.
    /// </summary>
    public bool IsUnreadable { get; init; }

    /// <summary>
    /// The value of the PriorityClass. <see cref="PriorityWithin"/> is <c>bursar.dev/priority</c>, which orders workloads of one class.
    /// </summary>
    public int Priority { get; init; }

    public int PriorityWithin { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>The GPUs of the spec, not of the present pods.</summary>
    public int Gpus { get; init; }

    /// <summary>The rate of those GPUs together. Null: their product has no price.</summary>
    public HourlyCost? Rate { get; init; }

    /// <summary>The rate of its present pods.</summary>
    public HourlyCost BurnRate { get; init; }

    /// <summary>
    /// The rate of its minimum replicas, if a scaler removes the others when the budget no longer covers them. Null: no scaler does.
    /// </summary>
    [JsonPropertyName("floorRate")]
    public HourlyCost? MinReplicasRate { get; init; }

    /// <summary>The cost in this window.</summary>
    public Amount Spent { get; init; }

    /// <summary>The source of its GPU usage, as named by <see cref="MeteringView.TextOf"/>. Null: none of its pods runs.</summary>
    public string? MeteredBy { get; init; }

    /// <summary>For training: the remaining time of the present run, or of the next run if it is suspended.</summary>
    public Estimate Estimate { get; set; } = Estimate.Unknown("");

    /// <summary>
    /// For running training: the time that it would need if it were suspended now and resumed, from its last checkpoint or from zero
    /// (<see cref="Estimator.AfterResume"/>). Null: the same as <see cref="Estimate"/>.
    /// </summary>
    public Estimate? EstimateAfterResume { get; init; }

    public TimeSpan TerminationGrace { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Whether it can answer a checkpoint request: an annotation says so, or its pods query their node's agent for requests.
    /// </summary>
    public bool CanCheckpoint { get; init; }

    /// <summary>The last known checkpoint. It is remembered after its pods are gone.</summary>
    public CheckpointMark? Checkpoint { get; init; }

    /// <summary>The request that every answering pod has acknowledged.</summary>
    public string? CheckpointAcknowledged { get; init; }

    /// <summary>The present value of <c>bursar.dev/checkpoint-requested</c> on the object, which may be out of date.</summary>
    public string? CheckpointAnnotation { get; init; }

    /// <summary>
    /// Since when each of its GPUs has been measured below <see cref="IdleTerms.BelowPercent"/> without a gap, at the earliest since its
    /// pods run. Null: one of them is not measured now, a pod does not run, or the budget does not ask for it.
    /// </summary>
    public DateTimeOffset? QuietSince { get; init; }

    /// <summary>Since when it has had no bound pod although it may run.</summary>
    public DateTimeOffset? NoPodSince { get; init; }

    /// <summary>The queue it waits in. Nothing is reserved for it until the queue's controller admits it. Null: it waits in none.</summary>
    [JsonPropertyName("waitsIn")]
    public string? QueuedIn { get; init; }

    [JsonPropertyName("parked")]
    public SuspendedSnapshot? Suspension { get; init; }

    /// <summary>The other budgets that have suspended it, as text. It runs once none of them suspends it. Null: none does.</summary>
    [JsonPropertyName("heldBy")]
    public string? OtherBudgets { get; init; }

    /// <summary>
    /// The other budgets that would not let it run now: they have suspended it, or decided to, and do not cover it. As text. Null: each
    /// other budget that selects it covers it.
    /// </summary>
    public string? NotCoveredBy { get; init; }

    [JsonIgnore]
    public bool IsSuspendedByOtherBudget => OtherBudgets is not null && State == WorkloadState.Pending;

    /// <summary>Whether the user has set <c>bursar.dev/resume: approved</c>.</summary>
    public bool ResumeApproved { get; init; }

    /// <summary>A sentence on what else its suspension causes or has caused. Null: nothing.</summary>
    public string? Consequence { get; init; }

    /// <summary>The cost per unit of output. For display only.</summary>
    [JsonIgnore]
    public UnitCosts? UnitCosts { get; init; }
}

/// <summary>
/// The ledger's record of a suspension by this budget. <see cref="ResumeRule.Cause"/> compares it with the present figures. A null amount
/// was not recorded by an earlier version.
/// </summary>
public sealed record SuspendedSnapshot
{
    public required DateTimeOffset Since { get; init; }

    public required string Reason { get; init; }

    public string WindowKey { get; set; } = "";

    public Amount Limit { get; init; }

    public long Freed { get; init; }

    /// <summary>How often the limit had risen. It counts a limit that fell and rose again, whatever its value.</summary>
    public long Raised { get; init; }

    /// <summary>The amount spent in the window at the suspension.</summary>
    public Amount? Spent { get; init; }

    /// <summary>The available amount (<see cref="BudgetTotals.Available"/>) at the suspension.</summary>
    public Amount? Available { get; init; }

    /// <summary>The rate at the suspension. It falls with a lower price or fewer GPUs.</summary>
    public HourlyCost? Rate { get; init; }

    /// <summary>The limit less the amount that a resume needed, at the suspension. Negative: the limit was too low.</summary>
    public Amount? Margin { get; init; }

    /// <summary>How often it was resumed without a cause, only because it fitted. Each time doubles the next wait.</summary>
    public int FitResumes { get; init; }

    /// <summary>The limit that was named as enough to resume it. It is repeated while it is enough.</summary>
    public Amount? EnoughLimit { get; init; }

    /// <summary>
    /// Whether the API server has acknowledged the suspension. Until then a running workload is one that is not suspended yet.
    /// </summary>
    public bool Confirmed { get; init; }

    /// <summary>Whether a forecast suspended it, so that it counted for the circuit breaker.</summary>
    public bool ByForecast { get; init; }

    /// <summary>
    /// When a checkpoint was requested before the suspension. Its progress after that says nothing about its pace. Null: none was
    /// requested.
    /// </summary>
    [JsonPropertyName("askedAt")]
    public DateTimeOffset? CheckpointRequestedAt { get; init; }

    /// <summary>Whether it was already approved when it was suspended, so that the approval is no reason to resume it.</summary>
    public bool Approved { get; init; }

    /// <summary>When other actors resumed it, oldest first.</summary>
    [JsonPropertyName("undone")]
    public IReadOnlyList<DateTimeOffset> Reverted { get; set; } = [];

    /// <summary>The field manager that resumed it last, if the object names one.</summary>
    [JsonPropertyName("undoneBy")]
    public string? RevertedBy { get; init; }
}
