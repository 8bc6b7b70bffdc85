using System.Collections.ObjectModel;
using System.Text.Json.Serialization;
using Bursar.Core.Forecast;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// The state that a budget keeps between evaluations, stored in the ledger. Without it a restart would announce a threshold twice, forget
/// the reservation of an admitted job, or resume without a cause.
/// </summary>
public sealed record BudgetMemory
{
    /// <summary>
    /// The window that the rest belongs to. A new window resets it, except for the members marked as kept across windows.
    /// </summary>
    public string WindowKey { get; set; } = "";

    /// <summary>When this budget was first evaluated. Kept across windows.</summary>
    public DateTimeOffset? FirstSeen { get; init; }

    /// <summary>The limit of the last evaluation without loans. A lower limit starts the settle time.</summary>
    public Amount? LastLimit { get; init; }

    /// <summary>How often the limit rose, a cause of resumes. Kept across windows.</summary>
    public long Raised { get; init; }

    /// <summary>Workloads created before this time were running when the budget appeared or its limit fell.</summary>
    public DateTimeOffset? SettleFrom { get; init; }

    public DateTimeOffset? SettleUntil { get; init; }

    /// <summary>Announcements made in this window, such as <c>spent:80</c> for a threshold.</summary>
    public IReadOnlyList<string> Announced { get; set; } = [];

    /// <summary>The reservation of each running job, by workload UID. Kept across windows.</summary>
    public IReadOnlyDictionary<string, Admission> Admitted { get; set; } = ReadOnlyDictionary<string, Admission>.Empty;

    /// <summary>A selection of the last progress reports of each job, so that a restart does not lose how fast a job runs.</summary>
    public IReadOnlyDictionary<string, ProgressSeries> Progress { get; set; } = ReadOnlyDictionary<string, ProgressSeries>.Empty;

    /// <summary>Checkpoint requests without an answer, by workload UID.</summary>
    public IReadOnlyDictionary<string, CheckpointRequest> Checkpoints { get; set; } = ReadOnlyDictionary<string, CheckpointRequest>.Empty;

    /// <summary>The last checkpoint of each training workload, by UID. The pods that reported it may be gone.</summary>
    public IReadOnlyDictionary<string, CheckpointMark> Marks { get; set; } = ReadOnlyDictionary<string, CheckpointMark>.Empty;

    /// <summary>When the user released the budget, as last announced. Kept across windows. Null: not released.</summary>
    public DateTimeOffset? ReleasedAt { get; init; }

    /// <summary>Suspended workloads whose pods keep running, by UID. Kept across windows.</summary>
    public IReadOnlyDictionary<string, RunsOn> RunsOn { get; set; } = ReadOnlyDictionary<string, RunsOn>.Empty;

    /// <summary>The progress of ended training and its cost per step, oldest first, bounded in number. Kept across windows.</summary>
    public IReadOnlyList<EndedTraining> Ended { get; set; } = [];

    /// <summary>How often a job that ended made budget available, a cause of resumes. Kept across windows.</summary>
    public long Freed { get; init; }

    /// <summary>When this window's budget was used up. Null: it is not.</summary>
    public DateTimeOffset? ExhaustedAt { get; init; }

    /// <summary>The last Event about spending beyond the limit. Null: there was none.</summary>
    public OverspendNotice? Overspent { get; init; }

    /// <summary>Since when each suspended workload has fitted the budget without interruption, by UID.</summary>
    public IReadOnlyDictionary<string, DateTimeOffset> FitsSince { get; set; } = ReadOnlyDictionary<string, DateTimeOffset>.Empty;

    /// <summary>
    /// When the suspension of each job that a forecast is about to suspend was announced, by UID (<see cref="SuspensionNotice"/>).
    /// </summary>
    public IReadOnlyDictionary<string, DateTimeOffset> SuspensionsAnnounced { get; set; } =
        ReadOnlyDictionary<string, DateTimeOffset>.Empty;

    /// <summary>Since when each workload that was reported as idle has been so, by UID. Kept across windows. Null: none is.</summary>
    public IReadOnlyDictionary<string, DateTimeOffset>? Idle { get; init; }

    /// <summary>In Observe mode: the reported actions of this window, as <c>uid/kind/reason</c>.</summary>
    public IReadOnlyList<string> Observed { get; set; } = [];

    /// <summary>
    /// The last valid spec as JSON, with its generation. It stays in force after an update that cannot be used. Kept across windows.
    /// </summary>
    public string? Spec { get; init; }

    public long SpecGeneration { get; init; }

    /// <summary>
    /// For a ClusterGpuBudget: the namespaces that it covered at the last evaluation. One that is deleted still counts with its spending.
    /// </summary>
    public IReadOnlyList<string>? Namespaces { get; init; }

    /// <summary>Since when the circuit breaker has been open, as last seen by this budget. Null: it is closed.</summary>
    [JsonPropertyName("brakedAt")]
    public DateTimeOffset? BreakerOpenSince { get; init; }
}

/// <param name="Reserved">The amount reserved for the job when it was admitted or resumed.</param>
/// <param name="SpentBefore">The amount that the job had spent by then. Growth is measured from there.</param>
/// <param name="Firm">Whether the estimate was settled. If not, the reservation is renewed while everything fits.</param>
/// <param name="FitResumes">How often the job was resumed only because it fitted.</param>
public sealed record Admission(Amount Reserved, Amount SpentBefore, DateTimeOffset At, bool Firm = false, int FitResumes = 0);

/// <param name="Sum">The amount beyond the limit that the Event named.</param>
public sealed record OverspendNotice(DateTimeOffset At, Amount Sum);

/// <param name="Step">The last reported step.</param>
/// <param name="At">When that step was reported.</param>
/// <param name="PerStep">The cost per step at its last pace and rate. Null: unknown.</param>
public sealed record EndedTraining(string Uid, long Step, DateTimeOffset At, Amount? PerStep);
