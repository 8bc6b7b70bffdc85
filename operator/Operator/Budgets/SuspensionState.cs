using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Core.Text;
using Bursar.Operator.Cluster;
using Bursar.Operator.Suspension;

namespace Bursar.Operator.Budgets;

/// <summary>The billed pods of a suspended workload that run on.</summary>
internal enum RunningPods
{
    /// <summary>There are none, or they still have time to end.</summary>
    None,

    /// <summary>They are being deleted and should have ended by now.</summary>
    Overdue,

    /// <summary>One at least is not being deleted.</summary>
    Undeleted,
}

/// <summary>How a workload stands toward one budget: who holds it, if anybody does, and whether it runs all the same.</summary>
internal sealed record SuspensionState
{
    private readonly SuspensionRecord? _record;

    private SuspensionState(SuspensionRecord? record) => _record = record;

    public ManagerState? Manager { get; private init; }

    /// <summary>What the ledger knows of its stop: this budget's record, else another's.</summary>
    public SuspensionRecord? Noted { get; private init; }

    /// <summary>Made suspended by the webhook and not judged yet: new work like any other.</summary>
    public bool IsNew { get; private init; }

    /// <summary>
    /// Stopped by the field that Bursar wrote, or else by the one that it would write: what its manager holds back is not suspended by it.
    /// </summary>
    public bool IsStopped { get; private init; }

    /// <summary>It is stopped by its field, and pods of it hold GPUs and are not being deleted, or should have ended by now.</summary>
    public bool RunsOn { get; private init; }

    /// <summary>It runs on for longer than a suspension may take (<see cref="SuspensionCheck"/>), so it counts as running.</summary>
    public bool IsIgnored { get; private init; }

    /// <summary>Stopped, as far as anybody can tell: what it comes back with is what it had before.</summary>
    public bool Rests => IsStopped && !IsIgnored;

    /// <summary>The other budgets that hold it, in words.</summary>
    public string? OtherBudgets { get; private init; }

    public WorkloadState State { get; private init; }

    public string? NotSuspendable { get; private init; }

    /// <param name="work">The workload as it is in the cache.</param>
    /// <param name="facts">The suspensions of all budgets, and the pods that run on, which are read only if the workload is stopped.</param>
    /// <param name="runs">Whether pods of it hold GPUs.</param>
    /// <param name="stores">The managers' objects.</param>
    public static SuspensionState Of(WorkloadObject work, BudgetFacts facts, bool runs, ClusterStores stores)
    {
        var uid = work.Metadata.Uid;
        var record = facts.Suspensions.GetValueOrDefault(uid);
        var others = facts.SuspendedByOtherBudgets[uid];
        var owner = ManagerAdapters.Of(work, stores);
        var noted = record ?? others.FirstOrDefault();
        var isNew = noted is null && AdmissionGate.IsGated(work);
        var isStopped = noted is not null
            ? ManagerAdapters.IsSuspended(noted, work, stores)
            : !isNew && (owner?.Field?.IsStopped ?? (work.IsStopped && owner?.WaitsIn is null));
        var running = isStopped && runs ? facts.Running.Value.GetValueOrDefault(uid) : RunningPods.None;
        var stillRuns = running != RunningPods.None;
        var since = stillRuns ? SuspensionCheck.NotFollowedSince(facts.Memory, uid, work.TerminationGrace, facts.Now) : null;
        var isIgnored = since is not null;
        var heldBy = isStopped ? Names(others) : null;
        return new(record)
        {
            Manager = owner,
            Noted = noted,
            IsNew = isNew,
            IsStopped = isStopped,
            RunsOn = stillRuns,
            IsIgnored = isIgnored,
            OtherBudgets = heldBy,
            State =
                !isStopped || isIgnored
                    ? runs
                        ? WorkloadState.Running
                        : WorkloadState.Pending
                    : record is not null
                        ? WorkloadState.SuspendedByBudget
                        : heldBy is not null
                            ? WorkloadState.Pending
                            : WorkloadState.SuspendedByOther,
            NotSuspendable = since is { } at
                ? WhyIgnored(work, owner, noted, running, at)
                : SuspensionEligibility.WhyNot(work, owner, stores),
        };
    }

    /// <summary>
    /// Why this budget holds it; null where it does not. Seen stopped is done, whether or not the answer to the write ever came.
    /// </summary>
    public SuspendedSnapshot? SuspensionOf() =>
        _record is null ? null
        : IsStopped ? _record.Cause with { Confirmed = !IsIgnored }
        : _record.Cause;

    private static string WhyIgnored(
        WorkloadObject work,
        ManagerState? owner,
        SuspensionRecord? noted,
        RunningPods running,
        DateTimeOffset since
    )
    {
        var at = Rfc3339.Format(since);
        if (running == RunningPods.Overdue)
            return $"its pods should have ended by {at} and still hold their GPUs; check their nodes, or delete them by force";
        if (noted?.Field.Object is { } target && target.Uid != work.Metadata.Uid && owner is null)
            return $"its pods have run on since {at} and the {target.Kind} {target.Name} that stopped it has no effect";
        return owner?.Field is not null
            ? $"{owner.Manager} and has not stopped it since {at}; check that its controller is running"
            : $"its pods have run on since {at}; check that the controller of {work.Kind.Name}s is running";
    }

    private static string? Names(IEnumerable<SuspensionRecord> records)
    {
        string[] names = [.. records.Select(record => record.Budget).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        return names.Length switch
        {
            0 => null,
            1 => $"budget {names[0]}",
            _ => $"budgets {string.Join(", ", names[..^1])} and {names[^1]}",
        };
    }
}
