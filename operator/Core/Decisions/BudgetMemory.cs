using System.Text.Json.Serialization;
using Bursar.Core.Forecast;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// What a budget must remember between two evaluations, kept in the ledger: without it a restart would announce a
/// threshold twice, forget what a job was admitted with, or resume without a cause.
/// </summary>
public sealed record BudgetMemory
{
    /// <summary>The window the rest belongs to; a new window starts with a fresh memory but for what is said below.</summary>
    public string WindowKey { get; set; } = "";

    /// <summary>When this budget was first evaluated; survives windows.</summary>
    public DateTimeOffset? FirstSeen { get; init; }

    /// <summary>The limit of the last evaluation; a fall starts the settle time.</summary>
    public Amount? LastLimit { get; init; }

    /// <summary>How often the limit rose: one of the causes of a resume; survives windows.</summary>
    public long Raised { get; init; }

    /// <summary>Work created before this moment was already running when the budget appeared or its limit fell.</summary>
    public DateTimeOffset? SettleFrom { get; init; }

    public DateTimeOffset? SettleUntil { get; init; }

    /// <summary>Thresholds announced in this window, as <c>spent:80</c>.</summary>
    public IReadOnlyList<string> Announced { get; set; } = [];

    /// <summary>What each running job was admitted with, by workload UID; survives windows.</summary>
    public IReadOnlyDictionary<string, Admission> Admitted { get; set; } = new SortedDictionary<string, Admission>(StringComparer.Ordinal);

    /// <summary>The last reports of each job's progress, thinned: a restart of the operator must not unlearn how fast a job runs.</summary>
    public IReadOnlyDictionary<string, ProgressSeries> Progress { get; set; } =
        new SortedDictionary<string, ProgressSeries>(StringComparer.Ordinal);

    /// <summary>Requests for a checkpoint that wait for their answer, by workload UID.</summary>
    public IReadOnlyDictionary<string, CheckpointRequest> Checkpoints { get; set; } =
        new SortedDictionary<string, CheckpointRequest>(StringComparer.Ordinal);

    /// <summary>The last checkpoint of each training workload, by its UID: who told of it may be gone.</summary>
    public IReadOnlyDictionary<string, CheckpointMark> Marks { get; set; } =
        new SortedDictionary<string, CheckpointMark>(StringComparer.Ordinal);

    /// <summary>When the budget was released by its user, as last announced; survives windows. Null: it is not.</summary>
    public DateTimeOffset? ReleasedAt { get; init; }

    /// <summary>Suspended workloads whose pods run on, by UID; survives windows.</summary>
    public IReadOnlyDictionary<string, RunsOn> RunsOn { get; set; } = new SortedDictionary<string, RunsOn>(StringComparer.Ordinal);

    /// <summary>
    /// How far training had come that has ended, oldest first, and what a step of it cost; survives windows, bounded in number.
    /// </summary>
    public IReadOnlyList<EndedTraining> Ended { get; set; } = [];

    /// <summary>How often work that ended freed money: one of the causes of a resume; survives windows.</summary>
    public long Freed { get; init; }

    /// <summary>When this window's budget was used up; null while it is not.</summary>
    public DateTimeOffset? ExhaustedAt { get; init; }

    /// <summary>The last Event about spending beyond the limit; null while there is none.</summary>
    public OverspendNotice? Overspent { get; init; }

    /// <summary>Since when each suspended workload has fitted the budget without interruption, by workload UID.</summary>
    public IReadOnlyDictionary<string, DateTimeOffset> FitsSince { get; set; } =
        new SortedDictionary<string, DateTimeOffset>(StringComparer.Ordinal);

    /// <summary>
    /// When the suspension of each job that a forecast is about to suspend was announced, by workload UID (<see cref="SuspensionNotice"/>).
    /// </summary>
    public IReadOnlyDictionary<string, DateTimeOffset> SuspensionsAnnounced { get; set; } =
        new SortedDictionary<string, DateTimeOffset>(StringComparer.Ordinal);

    /// <summary>In Observe mode: the actions of this window that were reported, as <c>uid/kind/reason</c>.</summary>
    public IReadOnlyList<string> Observed { get; set; } = [];

    /// <summary>
    /// The last valid spec, as JSON, and its generation: it stays in force after an update that cannot be used; survives windows.
    /// </summary>
    public string? Spec { get; init; }

    public long SpecGeneration { get; init; }

    /// <summary>Since when the cluster's brake is applied, as this budget last saw it.</summary>
    [JsonPropertyName("brakedAt")]
    public DateTimeOffset? BreakerOpenSince { get; init; }
}

/// <param name="Reserved">What was reserved for the job when it was admitted or resumed.</param>
/// <param name="SpentBefore">What the job had spent by then: growth is measured from there.</param>
/// <param name="At">When it was admitted.</param>
/// <param name="Firm">Its estimate was settled by then. Before that the reservation is taken anew while there is room.</param>
/// <param name="FitResumes">How often it was resumed only because it fitted.</param>
public sealed record Admission(Amount Reserved, Amount SpentBefore, DateTimeOffset At, bool Firm = false, int FitResumes = 0);

/// <param name="At">When it was reported.</param>
/// <param name="Sum">The sum beyond the limit that it named.</param>
public sealed record OverspendNotice(DateTimeOffset At, Amount Sum);

/// <summary>Training that has ended.</summary>
/// <param name="Uid">The workload's.</param>
/// <param name="Step">The last step that was told.</param>
/// <param name="At">When it was.</param>
/// <param name="PerStep">What a step cost at its last pace and rate; null where that was not known.</param>
public sealed record EndedTraining(string Uid, long Step, DateTimeOffset At, Amount? PerStep);
